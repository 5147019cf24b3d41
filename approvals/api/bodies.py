"""Parse the small bodies and query strings; what is unknown or wrong is 422 with a pointer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from approvals.domain.parse import BodyLimits
from approvals.domain.states import State
from approvals.domain.tally import Verdict
from approvals.selectors.commands import CommandFilter
from approvals.services.policies import PolicyChange
from approvals.services.release import EXIT_CODE_MAX, RunResult
from approvals.services.rules import RuleDraft
from core.moments import parse_moment
from core.problems import FieldError, invalid

_HEX32 = re.compile(r"[0-9a-f]{32}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
MAX_SIGNAL = 128
MAX_DURATION_MS = 30 * 86_400_000


def body_limits() -> BodyLimits:
    """Return the sizes of a submission."""
    return BodyLimits(
        command_bytes=settings.COMMAND_MAX_BYTES,
        arguments=settings.COMMAND_MAX_ARGUMENTS,
        env_entries=settings.ENV_MAX_ENTRIES,
        reason_chars=settings.REASON_MAX_CHARS,
        context_entries=settings.CONTEXT_MAX_ENTRIES,
    )


class Body:
    """Reads members, collecting what is wrong."""

    def __init__(self, data: Mapping[str, Any], *, known: set[str]) -> None:
        self.data = data
        self.errors = [
            FieldError(f"/{name}", "unknown", "There is no such member.") for name in sorted(set(data) - known)
        ]

    def fail(self, name: str, detail: str, code: str = "invalid") -> None:
        self.errors.append(FieldError(f"/{name}", code, detail))

    def text(self, name: str, *, default: str | None = None, limit: int = 2_000) -> str:
        value = self.data.get(name, default)
        if not isinstance(value, str):
            self.fail(name, "Must be a string.", "required" if name not in self.data else "invalid")
            return ""
        if len(value) > limit:
            self.fail(name, f"At most {limit} characters.", "too_long")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], description: str) -> str:
        value = self.data.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.fail(name, f"Must be {description}.")
            return ""
        return value

    def number(self, name: str, low: int, high: int, *, optional: bool = False) -> int | None:
        value = self.data.get(name)
        if value is None and optional:
            return None
        if type(value) is not int or not low <= value <= high:
            self.fail(name, f"A whole number from {low} to {high}.", "out_of_range")
            return None
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        value = self.data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(name, "A list of strings.")
            return ()
        return tuple(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            self.fail(name, "true or false.")
            return default
        return value

    def moment(self, name: str) -> datetime | None:
        value = self.data.get(name)
        if value is None:
            return None
        parsed = parse_moment(value)
        if parsed is None:
            self.fail(name, "A time with a zone, like 2026-11-24T06:10:00Z.")
        return parsed

    def done(self) -> None:
        """Raise 422 with everything that was wrong."""
        if self.errors:
            raise invalid(*self.errors)


def parse_release(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return `(release_nonce, digest)`."""
    body = Body(data, known={"release_nonce", "digest"})
    nonce = body.matching("release_nonce", _HEX32, "32 lower-case hex characters")
    digest = body.matching("digest", _HEX64, "64 lower-case hex characters")
    body.done()
    return nonce, digest


def parse_result(data: Mapping[str, Any]) -> RunResult:
    """Return how the command ended."""
    body = Body(data, known={"exit_code", "signal", "duration_ms", "output_sha256"})
    exit_code = body.number("exit_code", 0, EXIT_CODE_MAX, optional=True)
    signal = body.number("signal", 1, MAX_SIGNAL, optional=True)
    duration = body.number("duration_ms", 0, MAX_DURATION_MS)
    digest = ""
    if data.get("output_sha256") is not None:
        digest = body.matching("output_sha256", _HEX64, "64 lower-case hex characters")
    body.done()
    return RunResult(exit_code, signal, duration or 0, digest)


def parse_decision(data: Mapping[str, Any]) -> tuple[Verdict, str, str]:
    """Return `(verdict, digest, reason)`."""
    body = Body(data, known={"verdict", "digest", "reason"})
    digest = body.matching("digest", _HEX64, "64 lower-case hex characters")
    reason = body.text("reason", default="", limit=settings.REASON_MAX_CHARS)
    verdict: Any = data.get("verdict")
    if not isinstance(verdict, str) or verdict not in set(Verdict):
        body.fail("verdict", "approve or deny.")
    body.done()
    return Verdict(verdict), digest, reason


def parse_rule(data: Mapping[str, Any]) -> tuple[RuleDraft, bool]:
    """Return the rule and whether its warnings are accepted."""
    names = {"kind", "effect", "pattern", "reason", "agents", "hosts", "users", "cwds"}
    more = {"expires_at", "max_uses", "should_match", "should_not_match", "accept_warnings"}
    body = Body(data, known=names | more)
    draft = RuleDraft(
        kind=body.text("kind"),
        effect=body.text("effect"),
        pattern=body.text("pattern", limit=settings.MATCH_MAX_BYTES),
        reason=body.text("reason"),
        agents=body.strings("agents"),
        hosts=body.strings("hosts"),
        users=body.strings("users"),
        cwds=body.strings("cwds"),
        expires_at=body.moment("expires_at"),
        max_uses=body.number("max_uses", 1, 2**31 - 1, optional=True),
        should_match=body.strings("should_match"),
        should_not_match=body.strings("should_not_match"),
    )
    accepted = body.flag("accept_warnings")
    body.done()
    return draft, accepted


def parse_policy(data: Mapping[str, Any], before: PolicyChange) -> PolicyChange:
    """Return the policy with the members that `data` names replaced."""
    body = Body(data, known=set(PolicyChange.__slots__))
    values = {name: data.get(name, getattr(before, name)) for name in PolicyChange.__slots__}
    for name in ("required_approvals", "deny_threshold"):
        if type(values[name]) is not int:
            body.fail(name, "A whole number.")
    if values["decide_within_s"] is not None and type(values["decide_within_s"]) is not int:
        body.fail("decide_within_s", "A whole number of seconds, or null.")
    if type(values["require_reason"]) is not bool:
        body.fail("require_reason", "true or false.")
    if not (values["separation_of_duties"] is None or type(values["separation_of_duties"]) is bool):
        body.fail("separation_of_duties", "true, false or null.")
    if not isinstance(values["name"], str):
        body.fail("name", "Must be a string.")
    body.done()
    return PolicyChange(**values)


def parse_filter(query: Mapping[str, Any]) -> CommandFilter:
    """Return what a listing asks for."""
    errors = []
    state = query.get("state") or None
    if state is not None and state not in set(State):
        errors.append(FieldError("/state", "invalid", f"One of {', '.join(State)}."))
    agent = _uuid_or_none(query.get("agent"), errors)
    times = {}
    for name in ("since", "until"):
        times[name] = parse_moment(query.get(name)) if query.get(name) else None
        if query.get(name) and times[name] is None:
            errors.append(FieldError(f"/{name}", "invalid", "A time with a zone."))
    if errors:
        raise invalid(*errors)
    return CommandFilter(state, agent, query.get("q") or "", times["since"], times["until"])


def _uuid_or_none(text: str | None, errors: list[FieldError]) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        errors.append(FieldError("/agent", "invalid", "A UUID."))
        return None
