"""The whitelist is in a database of its own, bound to the audit log: what is not bound is nobody's rule."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError
from django.utils import timezone

from approvals.models import CommandRequest, RuleUse
from approvals.schedule import recover_whitelists
from approvals.selectors.rulesets import forget_rulesets
from approvals.services import rules
from approvals.services.rules import retire_rule
from approvals.whitelist import services as store
from approvals.whitelist.models import WhitelistRule
from core.problems import Problem
from tests.accounts.cast import Cast
from tests.accounts.recorded import types
from tests.approvals.factories import (
    NONCE,
    AgentClient,
    access,
    allow,
    make_body,
    queue_of,
    release,
    submit,
)

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL + 1):
        yield


def state_of(agent: AgentClient, cast: Cast, *argv: str) -> str:
    made = agent.submit(make_body(cast.agent, *(argv or ("ls",)), release_nonce=NONCE))
    assert made.status_code == 201, made.content
    answer = made.json()
    assert ("grant" in answer) == (answer["state"] == "released")
    if answer["state"] == "pending":
        assert answer["match"]["reasons"]
    return answer["state"]


# --- attack 27 -------------------------------------------------------------------------------------


def edit(cast: Cast) -> None:
    row = WhitelistRule.objects.get(organization_id=cast.first.id)
    row.document = {**row.document, "pattern": "rm **"}
    WhitelistRule.objects.filter(pk=row.pk).update(document=row.document)


def widen_expiry(cast: Cast) -> None:
    row = WhitelistRule.objects.get(organization_id=cast.first.id)
    WhitelistRule.objects.filter(pk=row.pk).update(document={**row.document, "reason": "another"})


def garble(cast: Cast) -> None:
    from django.db import connections

    with connections["whitelist"].cursor() as cursor:
        cursor.execute("UPDATE whitelist_whitelistrule SET document = %s", [b"\x01\x01" + b"\0" * 60])
        assert cursor.rowcount > 0


def delete(cast: Cast) -> None:
    WhitelistRule.objects.filter(organization_id=cast.first.id).delete()


def retire(cast: Cast) -> None:
    WhitelistRule.objects.filter(organization_id=cast.first.id).update(version_retired=1)


def add(cast: Cast) -> None:
    row = WhitelistRule.objects.get(organization_id=cast.first.id)
    other = str(uuid.uuid4())
    WhitelistRule.objects.create(
        id=other,
        organization_id=cast.first.id,
        document={**row.document, "id": other, "pattern": "rm **"},
        version_added=1,
        created_by=cast.alice.id,
        created_at=timezone.now(),
    )


def move(cast: Cast) -> None:
    WhitelistRule.objects.filter(organization_id=cast.first.id).update(organization_id=cast.second.id)


@pytest.mark.parametrize("tamper", [edit, widen_expiry, garble, delete, retire, move])
@pytest.mark.parametrize("remembered", [True, False])
def test_attack_27_the_rule_itself_was_changed(
    cast: Cast, agent: AgentClient, tamper: Callable[[Cast], None], remembered: bool
) -> None:
    allow(cast, "ls")
    assert state_of(agent, cast) == "released"
    tamper(cast)
    if not remembered:
        forget_rulesets()
    assert state_of(agent, cast) == "pending"
    assert state_of(agent, cast, "rm", "-rf", "/") == "pending"
    # Told, and not once per command: whoever can post must not be able to fill the log.
    assert types(cast.first.id).count("integrity.violated") == 1
    stranger = AgentClient(cast.other_key_text)
    assert stranger.submit(make_body(cast.other_agent, "ls")).json()["state"] == "pending"


@pytest.mark.parametrize("remembered", [True, False])
def test_attack_27_a_rule_was_added(cast: Cast, agent: AgentClient, remembered: bool) -> None:
    allow(cast, "ls")
    assert state_of(agent, cast) == "released"
    add(cast)
    if not remembered:
        forget_rulesets()
        assert state_of(agent, cast) == "pending"
    assert state_of(agent, cast, "rm", "-rf", "/") == "pending"


def test_attack_27_a_deny_rule_deleted_in_a_fresh_process(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "rm **")
    allow(cast, "rm **", effect="deny")
    assert state_of(agent, cast, "rm", "x") == "denied"
    for row in WhitelistRule.objects.all():
        if row.document["effect"] == "deny":
            row.delete()
    forget_rulesets()
    assert state_of(agent, cast, "rm", "x") == "pending"


def test_attack_27_an_older_whitelist_is_put_back(cast: Cast, agent: AgentClient) -> None:
    rule = allow(cast, "ls")
    retire_rule(access=access(cast, "alice"), rule_id=uuid.UUID(rule.id), now=timezone.now())
    assert state_of(agent, cast) == "pending"
    WhitelistRule.objects.update(version_retired=None)
    for forget in (lambda: None, forget_rulesets):
        forget()
        assert state_of(agent, cast) == "pending"


def test_attack_27_the_next_change_is_refused(cast: Cast) -> None:
    allow(cast, "ls")
    edit(cast)
    forget_rulesets()
    with pytest.raises(Problem) as refused:
        allow(cast, "pwd")
    assert (refused.value.status, refused.value.code) == (409, "whitelist_unavailable")


# --- a crash between the two databases -------------------------------------------------------------


class Crash(BaseException):
    """Stands for the end of the process: nothing handles it."""


def crash_before(*_args: Any, **_kwargs: Any) -> None:
    raise Crash


@pytest.mark.parametrize("written", [False, True])
def test_crash_between_intent_and_applied(
    cast: Cast, agent: AgentClient, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    allow(cast, "ls")
    add_rule = store.add_rule

    def crash(**members: Any) -> None:
        if written:
            add_rule(**members)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(rules.store, "add_rule", crash)
        with pytest.raises(Crash):
            allow(cast, "pwd")
    # Everything goes to humans, the rule that holds included, in any process.
    assert queue_of(cast).pending_version == 2
    for forget in (lambda: None, forget_rulesets):
        forget()
        assert state_of(agent, cast) == "pending"
        assert state_of(agent, cast, "pwd") == "pending"
    with pytest.raises(Problem) as refused:
        allow(cast, "date")
    assert refused.value.code == "whitelist_busy"
    recover_whitelists()
    recover_whitelists()
    assert queue_of(cast).pending_version is None
    assert state_of(agent, cast) == "released"
    assert state_of(agent, cast, "pwd") == ("released" if written else "pending")
    kinds = [kind for kind in types(cast.first.id) if kind.startswith("whitelist.")]
    assert kinds[-1] == ("whitelist.applied" if written else "whitelist.voided")


@pytest.mark.parametrize("written", [False, True])
def test_crash_while_retiring(cast: Cast, agent: AgentClient, monkeypatch: pytest.MonkeyPatch, written: bool) -> None:
    rule = allow(cast, "ls")
    retire_in_store = store.retire_rule

    def crash(**members: Any) -> bool:
        if written:
            retire_in_store(**members)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(rules.store, "retire_rule", crash)
        with pytest.raises(Crash):
            retire_rule(access=access(cast, "alice"), rule_id=uuid.UUID(rule.id), now=timezone.now())
    assert state_of(agent, cast) == "pending"
    recover_whitelists()
    assert state_of(agent, cast) == ("pending" if written else "released")


def test_recovery_of_neither_root_leaves_it_to_humans(
    cast: Cast, agent: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(cast, "ls")
    with monkeypatch.context() as patch:
        patch.setattr(rules.store, "add_rule", crash_before)
        with pytest.raises(Crash):
            allow(cast, "pwd")
    edit(cast)
    recover_whitelists()
    assert queue_of(cast).pending_version == 2
    assert state_of(agent, cast) == "pending"


@pytest.mark.parametrize("error", [DatabaseError, OperationalError])
def test_whitelist_database_refuses(
    cast: Cast, agent: AgentClient, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    allow(cast, "ls")

    def refuse(**_members: Any) -> None:
        raise error("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(rules.store, "add_rule", refuse)
        with pytest.raises(Problem) as refused:
            allow(cast, "pwd")
    assert (refused.value.status, refused.value.code) == (503, "unavailable")
    assert queue_of(cast).pending_version is None
    assert state_of(agent, cast) == "released"
    assert state_of(agent, cast, "pwd") == "pending"


def test_whitelist_database_is_gone(cast: Cast, agent: AgentClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from approvals.selectors import rulesets

    allow(cast, "ls")

    def gone(*_args: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(rulesets, "get_documents", gone)
    assert state_of(agent, cast) == "pending"
    monkeypatch.setattr(rulesets, "list_documents", gone)
    forget_rulesets()
    assert state_of(agent, cast) == "pending"


# --- limits of a rule ------------------------------------------------------------------------------


def test_limited_rule_is_used_up(cast: Cast, agent: AgentClient) -> None:
    rule = allow(cast, "ls", max_uses=2)
    assert [state_of(agent, cast) for _ in range(3)] == ["released", "released", "pending"]
    assert RuleUse.objects.get(rule_id=rule.id).uses == 2
    answer = agent.submit(make_body(cast.agent, "ls")).json()
    assert "used up" in answer["match"]["reasons"][0]


def test_a_repeated_request_takes_one_use(cast: Cast, agent: AgentClient) -> None:
    rule = allow(cast, "ls", max_uses=2)
    body = make_body(cast.agent, "ls", release_nonce=NONCE)
    assert [agent.submit(body).json()["state"] for _ in range(3)] == ["released"] * 3
    assert RuleUse.objects.get(rule_id=rule.id).uses == 1


def test_use_count_reset_by_sql_shows_in_the_log_only(cast: Cast, agent: AgentClient) -> None:
    """Counts are rows, not records: the log still names each use. Stated, not wished."""
    allow(cast, "ls", max_uses=1)
    assert state_of(agent, cast) == "released"
    RuleUse.objects.update(uses=0)
    assert state_of(agent, cast) == "released"
    assert types(cast.first.id).count("command.approved") == 2


def test_expired_rule(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(cast, "ls", expires_at=timezone.now() + timedelta(seconds=60))
    before, after = submit(cast, "ls"), submit(cast, "ls", now=timezone.now() + timedelta(seconds=61))
    assert (before.state, after.state) == ("approved", "pending")


def test_deny_rule_denies_at_once(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "rm **")
    allow(cast, "rm -rf **", effect="deny")
    body = make_body(cast.agent, "rm", "-rf", "/", release_nonce=NONCE)
    answer = agent.submit(body).json()
    assert (answer["state"], answer["denial"]["code"], answer["decided_by"]) == ("denied", "rule", "rule")
    assert agent.release(body).json()["code"] == "denied"
    assert state_of(agent, cast, "rm", "x") == "released"


@pytest.mark.parametrize("scope", ["agents", "hosts", "users", "cwds"])
def test_scope_of_a_rule(cast: Cast, agent: AgentClient, scope: str) -> None:
    allow(cast, "ls", **{scope: (str(uuid.uuid4()) if scope == "agents" else "/elsewhere",)})
    assert state_of(agent, cast) == "pending"


def test_rule_of_one_organization_is_not_the_others(cast: Cast) -> None:
    allow(cast, "ls")
    stranger = AgentClient(cast.other_key_text)
    assert stranger.submit(make_body(cast.other_agent, "ls")).json()["state"] == "pending"


def test_approved_by_a_rule_then_retired_is_still_released(cast: Cast, agent: AgentClient) -> None:
    rule = allow(cast, "ls")
    row = submit(cast, "ls")
    retire_rule(access=access(cast, "alice"), rule_id=uuid.UUID(rule.id), now=timezone.now())
    assert release(cast, row).row.state == "released"
    assert CommandRequest.objects.get().decided_by == "rule"
