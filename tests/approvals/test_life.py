"""The life of a command: every way through it, and none back."""

from __future__ import annotations

import json
import warnings
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from accounts.models import Agent
from approvals.domain.states import TERMINAL, State
from approvals.models import CommandRequest
from approvals.schedule import expire_commands
from approvals.selectors.commands import effective_state
from approvals.services.locking import Refusal
from approvals.services.release import (
    Released,
    RunResult,
    StillPending,
    cancel_command,
    report_result,
)
from core.problems import Problem
from tests.accounts.cast import Cast
from tests.accounts.recorded import types
from tests.approvals.factories import (
    COMMANDS,
    NONCE,
    OTHER_NONCE,
    RESULT,
    AgentClient,
    access,
    allow,
    another_agent,
    bot,
    decide_by_api,
    fresh,
    make_body,
    release,
    set_policy,
    submit,
    submit_full,
    vote,
)

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
DONE = RunResult(0, None, 12, "")


def life(cast: Cast) -> list[str]:
    return [kind for kind in types(cast.first.id) if kind.startswith("command.")]


# --- the main road ---------------------------------------------------------------------------------


def test_submit_vote_release_result(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent, "make", "deploy", reason="Friday", context={"tool": "ci"})
    made = agent.submit(body)
    assert made.status_code == 201, made.content
    assert (made.json()["state"], made.json()["digest"]) == ("pending", body["digest"])
    assert agent.release(body).status_code == 202
    voted = decide_by_api(cast.client("bob"), body)
    assert (voted.status_code, voted.json()["state"]) == (201, "approved")
    released = agent.release(body)
    assert released.status_code == 200
    assert released.json()["command"]["state"] == "released"
    done = agent.act(body["id"], "result", RESULT)
    assert (done.status_code, done.json()["state"]) == (200, "executed")
    assert agent.act(body["id"], "result", RESULT).status_code == 200
    other = agent.act(body["id"], "result", {**RESULT, "exit_code": 1})
    assert (other.status_code, other.json()["code"]) == (409, "state_final")
    read = agent.get(f"{COMMANDS}{body['id']}/").json()
    assert read["result"] == RESULT
    assert life(cast) == [
        "command.submitted", "command.voted", "command.approved", "command.released", "command.executed",
    ]  # fmt: skip


def test_deny_says_why(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent, "rm", "-rf", "/")
    agent.submit(body)
    assert decide_by_api(cast.client("bob"), body, "deny", reason="").status_code == 422
    assert decide_by_api(cast.client("bob"), body, "deny", reason="no").json()["state"] == "denied"
    refused = agent.release(body)
    assert (refused.status_code, refused.json()["code"]) == (409, "denied")
    denial = agent.get(f"{COMMANDS}{body['id']}/").json()["denial"]
    assert denial == {"code": "reviewer", "reason": "no"}


@pytest.mark.parametrize("approved", [False, True])
def test_cancel_from_open_states(cast: Cast, agent: AgentClient, approved: bool) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    if approved:
        decide_by_api(cast.client("bob"), body)
    cancelled = agent.act(body["id"], "cancel", {"reason": "changed my mind"})
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    late = decide_by_api(cast.client("bob"), body)
    assert (late.status_code, late.json()["code"]) == (409, "cancelled")
    assert agent.release(body).json()["code"] == "cancelled"


# --- the clock -------------------------------------------------------------------------------------


def test_late_vote_expires_the_command_without_a_sweeper(cast: Cast) -> None:
    row = submit(cast)
    outcome = vote(cast, row, "bob", now=row.decide_by)
    assert isinstance(outcome, Refusal)
    assert (outcome.problem.status, outcome.problem.code) == (409, "expired")
    assert fresh(row).state == State.EXPIRED
    assert life(cast) == ["command.submitted", "command.expired"]


def test_late_release_expires_the_approval_without_a_sweeper(cast: Cast) -> None:
    row = submit(cast)
    vote(cast, row, "bob")
    outcome = release(cast, row, now=row.expires_at)
    assert isinstance(outcome, Refusal)
    assert (outcome.problem.code, fresh(row).state) == ("expired", State.EXPIRED)
    assert fresh(row).grant == ""


def test_a_second_before_is_in_time(cast: Cast) -> None:
    row = submit(cast)
    moment = row.expires_at - timedelta(seconds=1)
    vote(cast, row, "bob", now=moment)
    assert isinstance(release(cast, row, now=moment), Released)


def test_decide_by_shortens_only_the_decision(cast: Cast) -> None:
    set_policy(cast, decide_within_s=60)
    now = timezone.now()
    late, early, short = submit(cast, now=now), submit(cast, now=now), submit(cast, ttl=30, now=now)
    assert late.decide_by == now + timedelta(seconds=60)
    assert short.decide_by == short.expires_at
    assert isinstance(vote(cast, late, "bob", now=now + timedelta(seconds=60)), Refusal)
    vote(cast, early, "bob", now=now + timedelta(seconds=59))
    assert isinstance(release(cast, early, now=now + timedelta(seconds=200)), Released)


def test_sweeper_records_what_already_holds(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    past = timezone.now() - timedelta(seconds=120)
    pending, approved, young = submit(cast, ttl=60, now=past), submit(cast, ttl=60, now=past), submit(cast)
    vote(cast, approved, "bob", now=past)
    assert effective_state(fresh(pending), timezone.now()) == State.EXPIRED
    expire_commands()
    assert [fresh(row).state for row in (pending, approved, young)] == ["expired", "expired", "pending"]
    recorded = life(cast)
    expire_commands()
    assert life(cast) == recorded
    assert recorded.count("command.expired") == 2


def test_reads_say_expired_before_the_sweeper(cast: Cast, agent: AgentClient) -> None:
    row = submit(cast, ttl=60, now=timezone.now() - timedelta(seconds=120))
    assert agent.get(f"{COMMANDS}{row.id}/").json()["state"] == "expired"
    assert [found["id"] for found in agent.get(COMMANDS, {"state": "expired"}).json()["results"]] == [str(row.id)]
    assert agent.get(COMMANDS, {"state": "pending"}).json()["results"] == []


# --- terminal states -------------------------------------------------------------------------------


def bring_to(cast: Cast, state: State) -> CommandRequest:
    row = submit(cast, release_nonce=None)
    if state in {State.APPROVED, State.RELEASED, State.EXECUTED}:
        vote(cast, row, "bob")
    if state in {State.RELEASED, State.EXECUTED}:
        release(cast, row)
    if state == State.EXECUTED:
        report_result(agent=bot(cast), command_id=row.id, result=DONE, now=timezone.now())
    if state == State.DENIED:
        vote(cast, row, "bob", "deny")
    if state == State.EXPIRED:
        vote(cast, row, "bob", now=row.expires_at)
    if state == State.CANCELLED:
        cancel_command(agent=bot(cast), command_id=row.id, reason="", now=timezone.now())
    row = fresh(row)
    assert row.state == state
    return row


ACTS: dict[str, Any] = {
    "approve": lambda cast, row: vote(cast, row, "dave"),
    "deny": lambda cast, row: vote(cast, row, "dave", "deny"),
    "release": lambda cast, row: release(cast, row),
    "release with another nonce": lambda cast, row: release(cast, row, OTHER_NONCE),
    "release another digest": lambda cast, row: release(cast, row, digest="0" * 64),
    "report": lambda cast, row: report_result(agent=bot(cast), command_id=row.id, result=DONE, now=timezone.now()),
    "report otherwise": lambda cast, row: report_result(
        agent=bot(cast), command_id=row.id, result=RunResult(1, None, 1, ""), now=timezone.now()
    ),
    "cancel": lambda cast, row: cancel_command(agent=bot(cast), command_id=row.id, reason="", now=timezone.now()),
}
CHANGED, SAME = "changed", "same"
# What each action answers in each state: `changed`, `same` (the first answer again), or a 409's code.
TABLE: dict[State, tuple[str, ...]] = {
    State.PENDING: (CHANGED, CHANGED, SAME, SAME, "digest_changed", "not_approved", "not_approved", CHANGED),
    State.APPROVED: ("state_final", "state_final", CHANGED, CHANGED, "digest_changed", "not_approved", "not_approved", CHANGED),
    State.RELEASED: ("state_final", "state_final", SAME, "already_released", "digest_changed", CHANGED, CHANGED, "state_final"),
    State.EXECUTED: ("state_final", "state_final", "state_final", "state_final", "digest_changed", SAME, "state_final", "state_final"),
    State.DENIED: ("denied", "denied", "denied", "denied", "digest_changed", "denied", "denied", "denied"),
    State.EXPIRED: ("expired", "expired", "expired", "expired", "digest_changed", "expired", "expired", "expired"),
    State.CANCELLED: ("cancelled", "cancelled", "cancelled", "cancelled", "digest_changed", "cancelled", "cancelled", SAME),
}  # fmt: skip
PAIRS = [(state, act, expected) for state in State for act, expected in zip(ACTS, TABLE[state], strict=True)]


@pytest.mark.parametrize(("state", "act", "expected"), PAIRS)
def test_every_action_in_every_state(cast: Cast, state: State, act: str, expected: str) -> None:
    before = bring_to(cast, state)
    try:
        outcome = ACTS[act](cast, before)
        code = outcome.problem.code if isinstance(outcome, Refusal) else None
    except Problem as problem:
        assert problem.status == 409
        code = problem.code
    after = fresh(before)
    if expected == CHANGED:
        assert code is None
        assert after.version > before.version
        assert state not in TERMINAL
    else:
        assert code == (None if expected == SAME else expected)
        assert (after.state, after.version, after.last_event) == (before.state, before.version, before.last_event)
        assert (after.grant, after.release_nonce) == (before.grant, before.release_nonce)


def test_release_while_pending_waits(cast: Cast) -> None:
    assert isinstance(release(cast, submit(cast)), StillPending)


# --- idempotency -----------------------------------------------------------------------------------


def test_same_request_again_gets_the_first_answer(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent, reason="once")
    first, second = agent.submit(body), agent.submit(body)
    assert (first.status_code, second.status_code) == (201, 200)
    ignored = {"server_time"}
    assert {k: v for k, v in first.json().items() if k not in ignored} == {
        k: v for k, v in second.json().items() if k not in ignored
    }
    assert life(cast) == ["command.submitted"]


def test_same_request_again_gets_its_grant_again(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "ls")
    body = make_body(cast.agent, "ls", release_nonce=NONCE)
    first, second = agent.submit(body), agent.submit(body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["grant"] == second.json()["grant"] == agent.release(body).json()["grant"]
    assert life(cast) == ["command.submitted", "command.approved", "command.released"]


@pytest.mark.parametrize("change", [{"reason": "another"}, {"release_nonce": OTHER_NONCE}, {"context": {"a": "b"}}])
def test_same_id_with_another_body(cast: Cast, agent: AgentClient, change: dict[str, Any]) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    again = agent.submit({**body, **change})
    assert (again.status_code, again.json()["code"]) == (409, "id_reused")


def test_same_id_from_another_agent(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    other, key = another_agent(cast)
    theirs = make_body(
        Agent(id=other.agent_id, organization_id=cast.first.id),
        id=body["id"],
        release_nonce=NONCE,
    )
    again = AgentClient(key).submit(theirs)
    assert (again.status_code, again.json()["code"]) == (409, "id_reused")
    assert "grant" not in again.json()
    stranger = AgentClient(cast.other_key_text).submit(make_body(cast.other_agent, id=body["id"]))
    assert (stranger.status_code, stranger.json()["code"]) == (409, "id_reused")


def test_same_request_after_its_time_still_gets_the_first_answer(cast: Cast) -> None:
    then = timezone.now() - timedelta(hours=23)
    body = make_body(cast.agent, now=then)
    first = submit(cast, body=body, now=then)
    again = submit_full(cast, body=body)
    assert (again.repeated, again.row.pk) == (True, first.pk)


def test_same_id_after_a_day(cast: Cast) -> None:
    then = timezone.now() - timedelta(days=1, seconds=1)
    body = make_body(cast.agent, now=then)
    submit(cast, body=body, now=then)
    with pytest.raises(Problem) as refused:
        submit(cast, body=body)
    assert (refused.value.status, refused.value.code) == (409, "id_expired")


# --- time to live ----------------------------------------------------------------------------------


def test_ttl_over_the_organizations_cap_names_it(cast: Cast, agent: AgentClient) -> None:
    cast.first.max_ttl_s = 600
    cast.first.save()
    refused = agent.submit(make_body(cast.agent, ttl=700))
    assert (refused.status_code, refused.json()["code"], refused.json()["cap_s"]) == (422, "ttl_too_long", 600)
    assert "600" in refused.json()["detail"]
    assert agent.submit(make_body(cast.agent, ttl=600)).status_code == 201


def test_ttl_over_a_day_is_refused_whatever_the_organization_says(cast: Cast, agent: AgentClient) -> None:
    refused = agent.submit(make_body(cast.agent, ttl=settings.TTL_MAX_S + 100))
    assert (refused.status_code, refused.json()["code"]) == (422, "ttl_too_long")


def test_ten_seconds_that_arrive_a_little_shorter_are_accepted(cast: Cast, agent: AgentClient) -> None:
    assert agent.submit(make_body(cast.agent, ttl=9)).status_code == 201


@pytest.mark.parametrize("ttl", [3, 0, -5])
def test_ttl_too_short(cast: Cast, agent: AgentClient, ttl: int) -> None:
    refused = agent.submit(make_body(cast.agent, ttl=ttl))
    assert (refused.status_code, refused.json()["code"]) == (422, "ttl_too_short")
    assert not CommandRequest.objects.exists()


def test_attack_25_a_digest_that_binds_something_else(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent, "ls")
    refused = agent.submit({**body, "argv": ["rm", "-rf", "/"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "digest_mismatch")
    foreign = agent.submit(make_body(cast.other_agent, "ls"))
    assert (foreign.status_code, foreign.json()["code"]) == (422, "digest_mismatch")


# --- the grant -------------------------------------------------------------------------------------


def open_grant(grant: str, published: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify with another implementation than the server's; return header and claims."""
    (jwk,) = published["keys"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # RFC 9864 prefers the name Ed25519
        found = jws.deserialize_compact(grant, OKPKey.import_key(jwk), algorithms=["EdDSA"])
    return dict(found.headers()), json.loads(found.payload)


def test_attack_24_grant_names_what_it_permits(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent, "make", "deploy")
    agent.submit(body)
    decide_by_api(cast.client("bob"), body)
    before = int(timezone.now().timestamp())
    grant = agent.release(body).json()["grant"]
    published = agent.get("/.well-known/expacti-grant-keys.json").json()
    header, claims = open_grant(grant, published)
    assert header == {"alg": "EdDSA", "kid": published["current"], "typ": "expacti-grant+jws"}
    row = CommandRequest.objects.get()
    assert before <= claims.pop("iat") <= int(timezone.now().timestamp())
    assert len(claims["jti"]) == 32
    assert claims == {
        "v": 1,
        "iss": settings.PUBLIC_URL,
        "organization": str(cast.first.id),
        "agent": str(cast.agent.id),
        "command": body["id"],
        "digest": body["digest"],
        "by": "review",
        "release_nonce": NONCE,
        "jti": row.grant_jti,
        "exp": int(row.expires_at.timestamp()),
    }
    thumbprint = OKPKey.import_key(published["keys"][0]).thumbprint()
    assert thumbprint == published["current"]


def test_attack_20_one_grant_whatever_the_nonce(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    decide_by_api(cast.client("bob"), body)
    first, same, other = (agent.release(body, nonce) for nonce in (NONCE, NONCE, OTHER_NONCE))
    assert first.json()["grant"] == same.json()["grant"]
    assert (other.status_code, other.json()["code"]) == (409, "already_released")
    assert "grant" not in other.json()


def test_same_grant_only_until_it_expires(cast: Cast) -> None:
    row = submit(cast)
    vote(cast, row, "bob")
    release(cast, row)
    with pytest.raises(Problem) as refused:
        release(cast, row, now=row.expires_at)
    assert (refused.value.status, refused.value.code) == (409, "expired")


@pytest.mark.parametrize("action", ["release", "result", "cancel"])
@pytest.mark.parametrize("whose", ["colleague", "stranger"])
def test_attack_24_48_only_the_submitting_agent_acts(cast: Cast, agent: AgentClient, action: str, whose: str) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    decide_by_api(cast.client("bob"), body)
    key = another_agent(cast)[1] if whose == "colleague" else cast.other_key_text
    send = {
        "release": {"release_nonce": NONCE, "digest": body["digest"]},
        "result": RESULT,
        "cancel": {},
    }[action]
    other = AgentClient(key)
    refused = other.act(body["id"], action, send)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert other.get(f"{COMMANDS}{body['id']}/").status_code == 404
    assert other.get(COMMANDS).json()["results"] == []
    assert CommandRequest.objects.get().state == State.APPROVED


def test_a_person_does_not_submit_or_release(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    for name in ("alice", "bob"):
        browser = cast.client(name)
        for path in (COMMANDS, f"{COMMANDS}{body['id']}/release/", f"{COMMANDS}{body['id']}/cancel/"):
            refused = browser.post(path, "{}", content_type="application/json")
            assert (refused.status_code, refused.json()["code"]) == (403, "role_required")
    assert access(cast, "alice").verified
