"""Shapes for the OpenAPI document. Parsing and rendering are done by `bodies` and `representation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from approvals.domain.states import State
from approvals.domain.tally import Verdict

if TYPE_CHECKING:
    Shape = serializers.Serializer[Any]
else:
    Shape = serializers.Serializer


class Submission(Shape):
    """`POST commands/`. Exactly one of argv and command."""

    id = serializers.UUIDField(help_text="UUID v4 or v7; also the idempotency key.")
    nonce = serializers.RegexField(r"^[0-9a-f]{32}$")
    argv = serializers.ListField(child=serializers.CharField(), required=False)
    command = serializers.CharField(required=False)
    shell = serializers.CharField(allow_null=True)
    exe = serializers.CharField(allow_null=True)
    cwd = serializers.CharField()
    env = serializers.DictField(child=serializers.CharField(allow_null=True))
    user = serializers.CharField()
    host = serializers.CharField()
    stdin = serializers.RegexField(r"^(none|open|sha256:[0-9a-f]{64})$")
    expires_at = serializers.DateTimeField()
    digest = serializers.RegexField(r"^[0-9a-f]{64}$")
    reason = serializers.CharField(required=False)
    context = serializers.DictField(child=serializers.CharField(), required=False)  # type: ignore[assignment]
    release_nonce = serializers.RegexField(r"^[0-9a-f]{32}$", required=False)


class AgentName(Shape):
    """Which agent."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class Denial(Shape):
    """Why a command was denied."""

    code = serializers.ChoiceField(["reviewer", "rule", "integrity"])
    reason = serializers.CharField()


class Match(Shape):
    """What the rules said."""

    outcome = serializers.ChoiceField(["allow", "deny", "review"])
    reasons = serializers.ListField(child=serializers.CharField())
    rules = serializers.ListField(child=serializers.UUIDField())


class Result(Shape):
    """How a command ended."""

    exit_code = serializers.IntegerField(allow_null=True, min_value=0, max_value=255)
    signal = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.IntegerField(min_value=0)
    output_sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", allow_null=True)


class Command(Shape):
    """A command."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField([state.value for state in State])
    organization = serializers.UUIDField()
    agent = AgentName()
    digest = serializers.CharField()
    argv = serializers.ListField(child=serializers.CharField(), allow_null=True)
    command = serializers.CharField(allow_null=True)
    shell = serializers.CharField(allow_null=True)
    exe = serializers.CharField(allow_null=True)
    cwd = serializers.CharField()
    env = serializers.DictField(child=serializers.CharField(allow_null=True))
    user = serializers.CharField()
    host = serializers.CharField()
    stdin = serializers.CharField()
    reason = serializers.CharField()
    context = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]
    path_bound = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    decide_by = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()
    required_approvals = serializers.IntegerField()
    approvals = serializers.IntegerField()
    decided_by = serializers.ChoiceField(["rule", "review"], allow_null=True)
    denial = Denial(allow_null=True)
    match = Match()
    review_url = serializers.URLField()
    result = Result(allow_null=True)
    server_time = serializers.DateTimeField()
    grant = serializers.CharField(required=False, help_text="Only in the answer to a submission.")


class CommandPage(Shape):
    """One page."""

    results = Command(many=True)
    next = serializers.CharField(allow_null=True)


class Release(Shape):
    """Ask for the grant."""

    release_nonce = serializers.RegexField(r"^[0-9a-f]{32}$")
    digest = serializers.RegexField(r"^[0-9a-f]{64}$")


class Grant(Shape):
    """The grant: a compact JWS."""

    grant = serializers.CharField()
    command = Command()


class Cancel(Shape):
    """Withdraw."""

    reason = serializers.CharField(required=False)


class Decision(Shape):
    """A verdict on the digest that the reviewer saw."""

    verdict = serializers.ChoiceField([verdict.value for verdict in Verdict])
    digest = serializers.RegexField(r"^[0-9a-f]{64}$")
    reason = serializers.CharField(required=False)


class RuleDraft(Shape):
    """A whitelist rule as a person writes it."""

    kind = serializers.ChoiceField(["exact", "argv_glob"])
    effect = serializers.ChoiceField(["allow", "deny"])
    pattern = serializers.CharField()
    reason = serializers.CharField()
    agents = serializers.ListField(child=serializers.CharField(), required=False)
    hosts = serializers.ListField(child=serializers.CharField(), required=False)
    users = serializers.ListField(child=serializers.CharField(), required=False)
    cwds = serializers.ListField(child=serializers.CharField(), required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    max_uses = serializers.IntegerField(required=False, allow_null=True)
    should_match = serializers.ListField(child=serializers.CharField(), required=False)
    should_not_match = serializers.ListField(child=serializers.CharField(), required=False)
    accept_warnings = serializers.BooleanField(required=False)


class Rule(Shape):
    """A whitelist rule in force."""

    id = serializers.UUIDField()
    document = serializers.DictField()
    uses = serializers.IntegerField()


class RulePage(Shape):
    """All rules in force, with the version that the log names."""

    version = serializers.IntegerField()
    root = serializers.CharField()  # type: ignore[assignment]
    results = Rule(many=True)


class Simulation(Shape):
    """What a rule would have matched."""

    warnings = serializers.ListField(child=serializers.CharField())
    examined = serializers.IntegerField()
    matched = serializers.IntegerField()
    commands = serializers.ListField(child=serializers.DictField())


class Policy(Shape):
    """An approval policy."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField()
    required_approvals = serializers.IntegerField(min_value=1, max_value=20)
    deny_threshold = serializers.IntegerField(min_value=1, max_value=20)
    separation_of_duties = serializers.BooleanField(allow_null=True)
    require_reason = serializers.BooleanField()
    decide_within_s = serializers.IntegerField(allow_null=True)
    version = serializers.IntegerField(read_only=True)


class PolicyPage(Shape):
    """All policies, in order."""

    results = Policy(many=True)
