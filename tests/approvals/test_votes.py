"""Who may decide, and what counts: people, on the digest that they saw, as they stand at the quorum."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, TotpDevice
from accounts.services import change_role, remove_membership
from approvals.domain.policy import PolicySnapshot
from approvals.domain.tally import Outcome, Verdict, Vote, tally
from approvals.models import CommandRequest, Decision
from approvals.services.decide import Decided
from approvals.services.locking import Refusal
from core.problems import Problem
from tests.accounts.cast import ACTOR, Cast
from tests.accounts.recorded import last, types
from tests.approvals.factories import (
    COMMANDS,
    AgentClient,
    access,
    another_reviewer,
    decide_by_api,
    fresh,
    make_body,
    release,
    set_policy,
    submit,
    vote,
)

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])


def refusal(outcome: Any) -> str:
    assert isinstance(outcome, Refusal)
    return outcome.problem.code


# --- N of M ----------------------------------------------------------------------------------------


def test_attack_21_two_of_three_needs_two_people(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    carol = another_reviewer(cast, "carol")
    row = submit(cast)
    first = vote(cast, row, "bob")
    assert (first.tally.outcome, fresh(row).state) == (Outcome.PENDING, "pending")
    assert refusal(vote(cast, row, "bob")) == "already_voted"
    assert fresh(row).state == "pending"
    assert vote(cast, row, carol).tally.outcome == Outcome.APPROVED
    assert fresh(row).state == "approved"


def test_attack_21_second_device_is_not_a_second_person(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    TotpDevice.objects.create(user=cast.bob, name="Tablet", confirmed=True, seed="A" * 32)
    vote(cast, row, "bob")
    body = {"id": row.id, "digest": row.digest}
    again = decide_by_api(cast.client("bob"), body)
    assert (again.status_code, again.json()["code"]) == (409, "already_voted")
    assert (fresh(row).state, Decision.objects.count()) == ("pending", 1)


def test_policy_is_the_one_at_submission(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    set_policy(cast, required_approvals=1)
    vote(cast, row, "bob")
    assert fresh(row).state == "pending"
    loose = submit(cast)
    set_policy(cast, required_approvals=3)
    vote(cast, loose, "bob")
    assert fresh(loose).state == "approved"


def test_one_denial_ends_it(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    vote(cast, row, "bob")
    assert vote(cast, row, "dave", "deny").tally.outcome == Outcome.DENIED
    assert fresh(row).state == "denied"


def test_deny_threshold(cast: Cast) -> None:
    set_policy(cast, required_approvals=2, deny_threshold=2)
    carol = another_reviewer(cast, "carol")
    row = submit(cast)
    vote(cast, row, "bob", "deny")
    assert fresh(row).state == "pending"
    vote(cast, row, carol, "deny")
    assert fresh(row).state == "denied"


def test_reason_that_the_policy_asks_for(cast: Cast) -> None:
    set_policy(cast, require_reason=True)
    row = submit(cast)
    with pytest.raises(Problem) as refused:
        vote(cast, row, "bob", reason="  ")
    assert refused.value.status == 422
    assert fresh(row).state == "pending"


SNAPSHOT = PolicySnapshot("p", 1, 2, 1, separation_of_duties=False, require_reason=False)


def test_the_order_of_votes_changes_nothing() -> None:
    votes = [
        Vote("a", Verdict.APPROVE, "d", eligible=True),
        Vote("b", Verdict.APPROVE, "other", eligible=True),
        Vote("c", Verdict.APPROVE, "d", eligible=False),
        Vote("e", Verdict.APPROVE, "d", eligible=True),
    ]
    outcomes = {tally(order, SNAPSHOT, digest="d").outcome for order in itertools.permutations(votes)}
    assert outcomes == {Outcome.APPROVED}
    denial = Vote("z", Verdict.DENY, "d", eligible=True)
    with_denial = {tally(order, SNAPSHOT, digest="d").outcome for order in itertools.permutations([*votes, denial])}
    assert with_denial == {Outcome.DENIED}


def test_attack_25_votes_on_another_digest_are_void() -> None:
    votes = [Vote(person, Verdict.APPROVE, digest, eligible=True) for person, digest in (("a", "d"), ("b", "other"))]
    found = tally(votes, SNAPSHOT, digest="d")
    assert (found.outcome, found.approvers, found.void) == (Outcome.PENDING, ("a",), ("b",))


@pytest.mark.parametrize("number", [0, -1])
def test_a_policy_of_no_votes_still_needs_one(number: int) -> None:
    empty = PolicySnapshot("p", 1, number, number, separation_of_duties=False, require_reason=False)
    assert tally([], empty, digest="d").outcome == Outcome.PENDING


# --- the digest ------------------------------------------------------------------------------------


def test_attack_25_a_vote_on_another_digest(cast: Cast) -> None:
    row = submit(cast)
    assert refusal(vote(cast, row, "bob", digest="0" * 64)) == "digest_changed"
    assert (fresh(row).state, Decision.objects.count()) == ("pending", 0)
    record, _payload = last(cast.first.id, "decision.refused")
    assert record["facts"]["code"] == "digest_changed"
    vote(cast, row, "bob")
    assert fresh(row).state == "approved"


# --- own commands ----------------------------------------------------------------------------------


def test_attack_22_owner_decides_where_one_is_enough(cast: Cast) -> None:
    row = submit(cast)
    assert isinstance(vote(cast, row, "alice"), Decided)
    assert fresh(row).state == "approved"


def test_attack_22_owner_is_excluded_from_two_up(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    assert refusal(vote(cast, row, "alice")) == "separation_of_duties"
    vote(cast, row, "bob")
    assert fresh(row).state == "pending"
    assert types(cast.first.id).count("decision.refused") == 1


@pytest.mark.parametrize(("required", "separation", "allowed"), [(1, True, False), (2, False, True)])
def test_attack_22_the_policys_word_wins(cast: Cast, required: int, separation: bool, allowed: bool) -> None:
    set_policy(cast, required_approvals=required, separation_of_duties=separation)
    row = submit(cast)
    outcome = vote(cast, row, "alice")
    assert isinstance(outcome, Decided) == allowed


def test_attack_22_new_owner_between_vote_and_quorum(cast: Cast) -> None:
    set_policy(cast, required_approvals=2)
    row = submit(cast)
    vote(cast, row, "bob")
    cast.agent.owner = cast.bob
    cast.agent.save()
    outcome = vote(cast, row, "dave")
    assert str(cast.bob.id) in outcome.tally.void
    assert fresh(row).state == "pending"


@pytest.mark.parametrize("name", ["bob", "dave", "alice"])
def test_attack_22_who_submitted_by_their_own_sign_in(cast: Cast, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from approvals.services import submit as module

    make = module._new_row

    def by_person(*args: Any) -> CommandRequest:
        row = make(*args)
        row.submitted_by_id = cast.people[name].id
        return row

    monkeypatch.setattr(module, "_new_row", by_person)
    row = submit(cast)
    assert refusal(vote(cast, row, name)) == "own_command"
    assert refusal(vote(cast, row, name, "deny")) == "own_command"
    assert fresh(row).state == "pending"


# --- attack 29: between vote and quorum ------------------------------------------------------------


def demote(cast: Cast) -> None:
    change_role(
        organization_id=cast.first.id,
        membership_id=cast.memberships["bob"].id,
        role="auditor",
        actor=ACTOR,
        actor_role="owner",
        now=timezone.now(),
    )


def remove(cast: Cast) -> None:
    remove_membership(
        organization_id=cast.first.id,
        membership_id=cast.memberships["bob"].id,
        actor=ACTOR,
        actor_role="owner",
        now=timezone.now(),
    )


def deactivate(cast: Cast) -> None:
    cast.bob.is_active = False
    cast.bob.save()


LAPSES: dict[str, Any] = {
    "role": demote,
    "membership": remove,
    "person": deactivate,
    "second factor": lambda cast: TotpDevice.objects.filter(user=cast.bob).delete(),
    "unconfirmed": lambda cast: TotpDevice.objects.filter(user=cast.bob).update(confirmed=False),
}


@pytest.mark.parametrize("lapse", LAPSES)
def test_attack_29_vote_is_void_when_eligibility_lapses(cast: Cast, lapse: str) -> None:
    set_policy(cast, required_approvals=2)
    carol = another_reviewer(cast, "carol")
    row = submit(cast)
    vote(cast, row, "bob")
    LAPSES[lapse](cast)
    outcome = vote(cast, row, "dave")
    assert outcome.tally.void == (str(cast.bob.id),)
    assert fresh(row).state == "pending"
    vote(cast, row, carol)
    assert fresh(row).state == "approved"
    record, _payload = last(cast.first.id, "command.approved")
    assert record["facts"]["void"] == [str(cast.bob.id)]
    assert record["facts"]["voters"] == [str(cast.dave.id), str(carol.user_id)]


@pytest.mark.parametrize("lapse", LAPSES)
def test_attack_29_a_stale_access_does_not_vote(cast: Cast, lapse: str) -> None:
    row, stale = submit(cast), access(cast, "bob")
    LAPSES[lapse](cast)
    assert refusal(vote(cast, row, stale)) == "role_required"
    assert (fresh(row).state, Decision.objects.count()) == ("pending", 0)


# --- who may not decide at all ---------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["approve", "deny"])
def test_attack_22_agents_never_decide(cast: Cast, agent: AgentClient, verdict: str) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    for key in (cast.key_text, cast.other_key_text):
        refused = decide_by_api(AgentClient(key), body, verdict)
        assert (refused.status_code, refused.json()["code"]) == (403, "agents_cannot_decide")
    assert fresh(CommandRequest.objects.get()).state == "pending"


def test_attack_42_reviewer_without_a_second_factor(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    TotpDevice.objects.filter(user=cast.bob).delete()
    browser = cast.client("bob")
    for refused in (
        decide_by_api(browser, body),
        browser.get(f"{COMMANDS}{body['id']}/"),
        browser.get(COMMANDS),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
    assert CommandRequest.objects.get().state == "pending"


def test_attack_42_session_that_skipped_the_second_factor(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    refused = decide_by_api(cast.client("bob", verified=False), body)
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("erin", 403, "role_required"),
        ("mallory", 403, "role_required"),
        ("charlie", 404, "not_found"),
    ],
)
def test_attack_48_who_does_not_review_here(cast: Cast, agent: AgentClient, name: str, status: int, code: str) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    refused = decide_by_api(cast.client(name), body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert CommandRequest.objects.get().state == "pending"


def test_nobody_decides(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    assert decide_by_api(Client(), body).status_code == 401


def test_decision_needs_the_csrf_token(cast: Cast, agent: AgentClient) -> None:
    body = make_body(cast.agent)
    agent.submit(body)
    refused = decide_by_api(cast.client("bob", enforce_csrf_checks=True), body)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert CommandRequest.objects.get().state == "pending"


def test_member_sees_nothing_of_others(cast: Cast, agent: AgentClient) -> None:
    """accounts.domain.roles says: a member sees only their own agents' commands."""
    body = make_body(cast.agent)
    agent.submit(body)
    assert Membership.objects.get(user=cast.mallory).role == "member"
    browser = cast.client("mallory")
    assert browser.get(f"{COMMANDS}{body['id']}/").status_code == 404
    assert browser.get(COMMANDS).json()["results"] == []
    assert release(cast, CommandRequest.objects.get()).row.state == "pending"
