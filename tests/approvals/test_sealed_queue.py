"""Somebody with SQL on the database: every row is held against the log before it counts."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from approvals.models import ApprovalPolicy, CommandRequest, Decision, QueueState
from approvals.schedule import expire_commands
from approvals.selectors.integrity import get_queue
from approvals.services.freeze import freeze_queue, unfreeze_queue
from approvals.services.locking import Refusal
from approvals.services.release import Released
from core import db
from core.problems import Problem
from tests.accounts.cast import Cast
from tests.accounts.recorded import last, types
from tests.approvals.factories import (
    NONCE,
    AgentClient,
    access,
    allow,
    decide_by_api,
    fresh,
    make_body,
    queue_of,
    release,
    set_policy,
    submit,
    vote,
)

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
TABLE = "approvals_commandrequest"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL + 1):
        yield


def sql(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        assert cursor.rowcount > 0


def forge(row: CommandRequest, column: str, value: Any) -> None:
    sql(f"UPDATE {TABLE} SET {column} = %s WHERE id = %s", value, db.adapt_uuid(row.id))


def copy_of(row: CommandRequest, table: str = TABLE, key: str = "id") -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE {key} = %s", [db.adapt_uuid(row.pk)])
        names = [column[0] for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))


def put_back(row: CommandRequest, copy: dict[str, Any], table: str = TABLE, key: str = "id") -> None:
    from psycopg.types.json import Jsonb

    values = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in copy.items()}
    names = ", ".join(f'"{name}" = %s' for name in values)
    sql(f"UPDATE {table} SET {names} WHERE {key} = %s", *values.values(), db.adapt_uuid(row.pk))


def refusal_of(act: Any) -> str:
    try:
        outcome = act()
    except Problem as problem:
        return problem.code
    assert isinstance(outcome, Refusal)
    return outcome.problem.code


def assert_denied_and_frozen(cast: Cast, row: CommandRequest, outcome: Any) -> None:
    assert isinstance(outcome, Refusal)
    assert (outcome.problem.status, outcome.problem.code) == (409, "integrity_violated")
    after = fresh(row)
    assert (after.state, after.denial_code) == ("denied", "integrity")
    recorded = types(cast.first.id)
    assert recorded.count("integrity.violated") == recorded.count("queue.frozen") == 1
    assert queue_of(cast).frozen_at is not None
    assert refusal_of(lambda: release(cast, row)) in {"denied", "integrity_violated"}
    assert fresh(row).grant == ""


# --- attack 17 -------------------------------------------------------------------------------------


def test_attack_17_state_set_to_approved(cast: Cast) -> None:
    row, other = submit(cast), submit(cast)
    vote(cast, other, "bob")
    forge(row, "state", "approved")
    assert_denied_and_frozen(cast, row, release(cast, row))
    refused = release(cast, other)
    assert isinstance(refused, Refusal)
    assert (refused.problem.status, refused.problem.code) == (409, "queue_frozen")


def test_attack_17_over_http_the_violation_is_committed(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    forge(CommandRequest.objects.get(), "state", "approved")
    refused = agent.release(body)
    assert (refused.status_code, refused.json()["code"]) == (409, "integrity_violated")
    assert CommandRequest.objects.get().denial_code == "integrity"
    assert queue_of(cast).frozen_at is not None


FORGERIES: dict[str, Any] = {
    "digest": "0" * 64,
    "policy_hash": "0" * 64,
    "expires_at": "2126-01-01 00:00:00+00:00",
    "decide_by": "2126-01-01 00:00:00+00:00",
    "created_at": "2026-01-01 00:00:00+00:00",
    "decided_by": "rule",
    "release_nonce": NONCE,
    "version": 7,
    "nonce": "0" * 32,
    "fingerprint": "0" * 64,
    "body_hash": "0" * 64,
    "denial_code": "rule",
    "grant_jti": "0" * 32,
}


@pytest.mark.parametrize("column", FORGERIES)
@pytest.mark.parametrize("act", ["vote", "release"])
def test_attack_17_any_sealed_column(cast: Cast, column: str, act: str) -> None:
    row = submit(cast)
    if act == "release":
        vote(cast, row, "bob")
        row = fresh(row)
    forge(row, column, FORGERIES[column])
    outcome = vote(cast, row, "bob") if act == "vote" else release(cast, row)
    assert isinstance(outcome, Refusal)
    assert outcome.problem.code == "integrity_violated"
    assert fresh(row).state == "denied"
    assert queue_of(cast).frozen_at is not None


@pytest.mark.parametrize("column", ["agent_id", "submitted_by_id", "last_event", "seal"])
def test_attack_17_any_sealed_reference(cast: Cast, column: str) -> None:
    row = submit(cast)
    values = {
        "agent_id": db.adapt_uuid(cast.other_agent.id),
        "submitted_by_id": db.adapt_uuid(cast.dave.id),
        "last_event": db.adapt_uuid(uuid.uuid4()),
        "seal": b"\x00" * 32,
    }
    forge(row, column, values[column])
    outcome = vote(cast, row, "bob")
    assert isinstance(outcome, Refusal)
    assert outcome.problem.code == "integrity_violated"


def test_attack_17_policy_snapshot_edited(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    weaker = {**row.policy, "required_approvals": 1}
    CommandRequest.objects.filter(pk=row.pk).update(policy=weaker)
    assert_denied_and_frozen(cast, row, vote(cast, row, "bob"))


def test_attack_17_another_commands_wish_shown_to_the_reviewer(cast: Cast) -> None:
    """The reviewer would see `ls`; the grant would name the digest of `rm -rf /`."""
    harmless, evil = submit(cast, "ls"), submit(cast, "rm", "-rf", "/")
    forge(evil, "wish", copy_of(harmless)["wish"])
    assert fresh(evil).wish["argv"] == ["ls"]
    assert_denied_and_frozen(cast, evil, vote(cast, evil, "bob"))


def test_attack_17_wish_that_does_not_decrypt(cast: Cast) -> None:
    row = submit(cast)
    forge(row, "wish", b"\x01\x01" + b"\x00" * 60)
    outcome = vote(cast, row, "bob")
    assert isinstance(outcome, Refusal)
    assert outcome.problem.code == "integrity_violated"
    assert queue_of(cast).frozen_at is not None
    assert types(cast.first.id).count("integrity.violated") == 1


def test_sweeper_survives_a_forged_row(cast: Cast) -> None:
    past = timezone.now() - timezone.timedelta(seconds=100)
    unreadable, forged, plain = (submit(cast, ttl=60, now=past) for _ in range(3))
    forge(unreadable, "wish", b"\x01\x01" + b"\x00" * 60)
    forge(forged, "digest", "0" * 64)
    expire_commands()
    states = CommandRequest.objects.values_list("pk", "state").order_by("created_at", "pk")
    assert dict(states) == {unreadable.pk: "denied", forged.pk: "denied", plain.pk: "expired"}


# --- attacks 18 and 19 -----------------------------------------------------------------------------


def test_attack_18_older_sealed_row_is_put_back(cast: Cast) -> None:
    row = submit(cast)
    older = copy_of(row)
    vote(cast, row, "bob", "deny")
    put_back(row, older)
    assert fresh(row).state == "pending"
    assert_denied_and_frozen(cast, row, vote(cast, row, "dave"))


def test_attack_18_row_from_before_a_vote_is_put_back(cast: Cast) -> None:
    """A vote changes no sealed column: the version alone tells that the row is older."""
    set_policy(cast, required_approvals=3)
    row = submit(cast)
    older = copy_of(row)
    vote(cast, row, "bob")
    put_back(row, older)
    assert_denied_and_frozen(cast, row, vote(cast, row, "bob"))


def test_attack_18_approved_row_put_back_after_cancelling(cast: Cast) -> None:
    from approvals.services.release import cancel_command
    from tests.approvals.factories import bot

    row = submit(cast)
    vote(cast, row, "bob")
    older = copy_of(row)
    cancel_command(agent=bot(cast), command_id=row.id, reason="", now=timezone.now())
    put_back(row, older)
    assert_denied_and_frozen(cast, row, release(cast, row))


def test_attack_18_released_row_put_back_gives_no_second_grant(cast: Cast) -> None:
    row = submit(cast)
    vote(cast, row, "bob")
    older = copy_of(row)
    first = release(cast, row)
    assert isinstance(first, Released)
    put_back(row, older)
    second = release(cast, row, "f" * 32)
    assert isinstance(second, Refusal)
    assert second.problem.code == "integrity_violated"


def drop_audit_guards() -> None:
    """What somebody with the SQLite file can do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


@pytest.mark.sqlite
def test_attack_19_denials_record_removed(cast: Cast) -> None:
    row = submit(cast)
    vote(cast, row, "bob", "deny")
    drop_audit_guards()
    sql("DELETE FROM audit_event WHERE type = %s", "command.denied")
    outcome = vote(cast, row, "dave")
    assert isinstance(outcome, Refusal)
    assert outcome.problem.code == "integrity_violated"


@pytest.mark.sqlite
def test_attack_18_19_older_row_and_its_later_records_removed(cast: Cast) -> None:
    """Vote and denial both gone, the row as before: only the chain's end still tells."""
    from django.core.management import call_command

    row = submit(cast)
    older = copy_of(row)
    vote(cast, row, "bob", "deny")
    drop_audit_guards()
    sql("DELETE FROM audit_event WHERE type IN ('command.denied', 'command.voted')")
    put_back(row, older)
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", str(cast.first.id), stdout=_Nowhere(), stderr=_Nowhere())
    assert ended.value.code == 1


class _Nowhere:
    def write(self, text: str) -> None:
        del text

    def isatty(self) -> bool:
        return False

    def flush(self) -> None:
        return


@pytest.mark.sqlite
def test_attack_19_record_altered(cast: Cast) -> None:
    row = submit(cast)
    vote(cast, row, "bob", "deny")
    drop_audit_guards()
    sql("UPDATE audit_event SET raw = replace(raw, 'deny', 'okay') WHERE type = 'command.voted'")
    outcome = vote(cast, row, "dave")
    assert isinstance(outcome, Refusal)


@pytest.mark.sqlite
def test_attack_19_record_and_leaf_recomputed_without_the_key(cast: Cast) -> None:
    from audit.domain.record import leaf_hash
    from audit.models import AuditEvent

    set_policy(cast, required_approvals=2)
    row = submit(cast)
    vote(cast, row, "bob")
    drop_audit_guards()
    event = AuditEvent.objects.get(type="command.voted")
    raw = event.raw.replace(str(cast.bob.id), str(cast.erin.id))
    sql(
        "UPDATE audit_event SET raw = %s, leaf_hash = %s WHERE event_id = %s",
        raw, leaf_hash(raw.encode()), db.adapt_uuid(event.event_id),
    )  # fmt: skip
    assert_denied_and_frozen(cast, row, vote(cast, row, "bob"))


# --- votes -----------------------------------------------------------------------------------------


def test_attack_21_decision_row_inserted_by_sql_does_not_count(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    for name in ("dave", "erin"):
        Decision.objects.create(
            organization=cast.first,
            command=row,
            user=cast.people[name],
            membership=cast.memberships[name],
            verdict="approve",
            digest=row.digest,
            second_factor="totp",
            created_at=timezone.now(),
        )
    outcome = vote(cast, row, "bob")
    assert outcome.tally.approvers == (str(cast.bob.id),)
    assert fresh(row).state == "pending"


def test_attack_29_denial_row_deleted_by_sql_still_counts(cast: Cast) -> None:
    set_policy(cast, required_approvals=1, deny_threshold=2)
    row = submit(cast)
    vote(cast, row, "bob", "deny")
    Decision.objects.all().delete()
    outcome = vote(cast, row, "bob")
    assert isinstance(outcome, Refusal)
    assert outcome.problem.code == "already_voted"


# --- the queue row and the policy row --------------------------------------------------------------


def assert_goes_to_a_human(cast: Cast, agent: AgentClient, words: str = "") -> None:
    body = make_body(cast.agent, "ls", release_nonce=NONCE)
    made = agent.submit(body)
    assert made.status_code == 201, made.content
    answer = made.json()
    assert (answer["state"], answer["match"]["outcome"]) == ("pending", "review")
    assert "grant" not in answer
    assert words in " ".join(answer["match"]["reasons"])


def test_attack_17_queue_row_edited(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "ls")
    approved = submit(cast, "make")
    vote(cast, approved, "bob")
    sql("UPDATE approvals_queuestate SET whitelist_root = %s", "0" * 64)
    assert_goes_to_a_human(cast, agent, "seal")
    assert_violation_recorded_and_frozen(cast)
    refused = release(cast, approved)
    assert isinstance(refused, Refusal)
    assert refused.problem.code == "queue_frozen"


def test_attack_17_queue_row_edited_is_found_by_a_release_too(cast: Cast) -> None:
    approved = submit(cast, "make")
    vote(cast, approved, "bob")
    sql("UPDATE approvals_queuestate SET whitelist_root = %s", "0" * 64)
    assert isinstance(release(cast, approved), Refusal)
    assert_violation_recorded_and_frozen(cast)


def assert_violation_recorded_and_frozen(cast: Cast) -> None:
    assert types(cast.first.id).count("integrity.violated") == 1
    view = get_queue(cast.first.id)
    assert (view.broken, view.row.frozen_at is not None) == (None, True)
    assert view.row.whitelist_root != "0" * 64


def test_attack_17_freeze_undone_by_sql(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "ls")
    freeze_queue(access=access(cast, "alice"), reason="incident", now=timezone.now())
    sql("UPDATE approvals_queuestate SET frozen_at = NULL WHERE frozen_at IS NOT NULL")
    assert_goes_to_a_human(cast, agent, "frozen")
    assert_violation_recorded_and_frozen(cast)


def test_attack_18_queue_row_rolled_back(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "ls")
    queue = queue_of(cast)
    older = copy_of(queue, "approvals_queuestate", "organization_id")
    freeze_queue(access=access(cast, "alice"), reason="incident", now=timezone.now())
    put_back(queue, older, "approvals_queuestate", "organization_id")
    assert queue_of(cast).frozen_at is None
    assert_goes_to_a_human(cast, agent, "not the version that the log ends with")


POLICY_EDITS = {"required_approvals": 1, "deny_threshold": 9, "decide_within_s": 86_400, "separation_of_duties": False}


@pytest.mark.parametrize("column", POLICY_EDITS)
def test_attack_17_policy_row_edited(cast: Cast, agent: AgentClient, column: str) -> None:
    set_policy(cast, required_approvals=2)
    allow(cast, "ls")
    ApprovalPolicy.objects.filter(organization=cast.first).update(**{column: POLICY_EDITS[column]})
    assert_goes_to_a_human(cast, agent, "policy")
    row = CommandRequest.objects.get()
    assert (row.policy["required_approvals"], row.policy["separation_of_duties"]) == (2, True)
    vote(cast, row, "bob")
    assert fresh(row).state == "pending"


def test_attack_17_queue_row_pointed_at_another_policy(cast: Cast, agent: AgentClient) -> None:
    set_policy(cast, required_approvals=2)
    allow(cast, "ls")
    weaker = ApprovalPolicy.objects.get(organization=cast.second)
    QueueState.objects.filter(organization=cast.first).update(policy=weaker)
    assert_goes_to_a_human(cast, agent)
    row = CommandRequest.objects.get()
    vote(cast, row, "bob")
    assert fresh(row).state == "pending"


# --- freezing --------------------------------------------------------------------------------------


def test_freeze_and_unfreeze(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "ls")
    body = make_body(cast.agent, "make")
    agent.submit(body)
    decide_by_api(cast.client("bob"), body)
    freeze_queue(access=access(cast, "dave"), reason="incident", now=timezone.now())
    freeze_queue(access=access(cast, "dave"), reason="again", now=timezone.now())
    assert types(cast.first.id).count("queue.frozen") == 1
    refused = agent.release(body)
    assert (refused.status_code, refused.json()["code"]) == (409, "queue_frozen")
    assert_goes_to_a_human(cast, agent, "frozen: incident")
    unfreeze_queue(access=access(cast, "alice"), reason="looked", now=timezone.now())
    assert agent.release(body).status_code == 200
    assert agent.submit(make_body(cast.agent, "ls")).json()["state"] == "approved"
    assert last(cast.first.id, "queue.unfrozen")[1] == {"reason": "looked"}


@pytest.mark.parametrize("name", ["bob", "erin", "mallory"])
@pytest.mark.parametrize("act", [freeze_queue, unfreeze_queue])
def test_only_admins_freeze(cast: Cast, name: str, act: Any) -> None:
    with pytest.raises(Problem) as refused:
        act(access=access(cast, name, verified=name != "mallory"), reason="x", now=timezone.now())
    assert refused.value.status == 403


def test_frozen_queue_of_one_leaves_the_other_alone(cast: Cast) -> None:
    freeze_queue(access=access(cast, "alice"), reason="incident", now=timezone.now())
    assert QueueState.objects.get(organization=cast.second).frozen_at is None
