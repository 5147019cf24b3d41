"""A reviewer's verdict: recorded, counted, and, at the quorum, what becomes of the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.domain.access import Access, require_verified
from accounts.domain.roles import Ability
from approvals.domain.policy import PolicySnapshot
from approvals.domain.states import State
from approvals.domain.tally import Outcome, Tally, Verdict, Vote, tally
from approvals.effects import announce_command
from approvals.models import CommandRequest, Decision
from approvals.selectors.integrity import policy_of
from approvals.selectors.reviewers import list_eligible
from approvals.services.journal import CommandJournal
from approvals.services.locking import Refusal, Taken, final_problem, take_command
from core import db, keys
from core.ids import uuid7
from core.problems import FieldError, Problem, invalid


@dataclass(frozen=True, slots=True)
class Decided:
    """The vote counts. `tally` is the count with it."""

    row: CommandRequest
    tally: Tally


@transaction.atomic
def decide_command(
    *,
    access: Access,
    command_id: UUID,
    verdict: Verdict,
    digest: str,
    reason: str,
    now: datetime,
) -> Decided | Refusal:
    """Record one person's verdict on the digest that they saw.

    A `Refusal` is recorded and committed; its problem says what to answer.

    Raises:
        Problem: 401, 403 where the person may not decide at all, 404, 422 for a missing reason.
    """
    # 1. May this person decide at all, and is the verdict complete?
    require_verified(access, Ability.DECIDE)
    _check_reason(verdict, reason)
    # 2. The command, locked, proved against the log, by the clock.
    taken = take_command(organization_id=access.organization_id, command_id=command_id, now=now)
    if isinstance(taken, Refusal):
        return taken
    row, policy = taken.row, policy_of(taken.row)
    if verdict == Verdict.APPROVE and policy.require_reason and not reason.strip():
        raise _reason_missing("The policy asks for a reason.")
    # 3. May they decide on this one?
    problem = _objection(access, taken, policy, digest)
    if problem is not None:
        return _refuse(access, row, problem, verdict, digest, now)
    # 4. The count, with everybody's eligibility as it is now.
    counted = _count(access, taken, policy, verdict, digest)
    if str(access.user_id) in counted.void:
        refusal = Problem(403, "role_required", "You may not decide here any more.")
        return _refuse(access, row, refusal, verdict, digest, now)
    # 5. Vote, outcome and records in one statement.
    _record(access, row, counted, verdict, digest, reason, now)
    return Decided(row, counted)


def _check_reason(verdict: Verdict, reason: str) -> None:
    if len(reason) > settings.REASON_MAX_CHARS:
        detail = f"At most {settings.REASON_MAX_CHARS} characters."
        raise invalid(FieldError("/reason", "too_long", detail))
    if verdict == Verdict.DENY and not reason.strip():
        raise _reason_missing("Say why, so that the agent and your colleagues know.")


def _reason_missing(detail: str) -> Problem:
    return invalid(FieldError("/reason", "required", detail))


def _objection(access: Access, taken: Taken, policy: PolicySnapshot, digest: str) -> Problem | None:
    row = taken.row
    person = str(access.user_id)
    if row.state != State.PENDING:
        return final_problem(row)
    if any(vote.person == person for vote in taken.replayed.votes):
        return Problem(409, "already_voted", "You have voted on this command.")
    if not keys.equal(row.digest, digest):
        return Problem(409, "digest_changed", "This is not the command that you saw. Reload it.")
    return own_command_problem(access.user_id, row, policy)


def own_command_problem(user_id: UUID, row: CommandRequest, policy: PolicySnapshot) -> Problem | None:
    """Return why a person may not decide on a command because it is theirs, or None."""
    if row.submitted_by_id == user_id:
        return Problem(403, "own_command", "Nobody decides on a command that they submitted.")
    if policy.separation_of_duties and row.agent.owner_id == user_id:
        detail = "The policy keeps an agent's owner from deciding on what it submits."
        return Problem(403, "separation_of_duties", detail)
    return None


def _refuse(
    access: Access,
    row: CommandRequest,
    problem: Problem,
    verdict: Verdict,
    digest: str,
    now: datetime,
) -> Refusal:
    journal = CommandJournal(row, actor=access.actor, now=now)
    facts = {"code": problem.code, "digest": digest, "verdict": str(verdict)}
    journal.aside("decision.refused", facts=facts)
    journal.commit_update()
    return Refusal(problem, row)


def _count(access: Access, taken: Taken, policy: PolicySnapshot, verdict: Verdict, digest: str) -> Tally:
    person = str(access.user_id)
    voters = [*(vote.person for vote in taken.replayed.votes), person]
    eligible = list_eligible(access.organization_id, voters)
    excluded = str(taken.row.agent.owner_id) if policy.separation_of_duties else None
    votes = [
        Vote(vote.person, vote.verdict, vote.digest, vote.person in eligible and vote.person != excluded)
        for vote in taken.replayed.votes
    ]
    votes.append(Vote(person, verdict, digest, person in eligible))
    return tally(votes, policy, digest=taken.row.digest)


def _record(
    access: Access,
    row: CommandRequest,
    counted: Tally,
    verdict: Verdict,
    digest: str,
    reason: str,
    now: datetime,
) -> None:
    journal = CommandJournal(row, actor=access.actor, now=now)
    journal.step(
        "command.voted",
        facts={
            "digest": digest,
            "factor": access.second_factor or "",
            "membership": str(access.membership_id),
            "policy_hash": row.policy_hash,
            "verdict": str(verdict),
            "voter": str(access.user_id),
        },
        payload={"reason": reason, "reviewer": access.name or access.email},
    )
    if counted.outcome == Outcome.APPROVED:
        journal.step(
            "command.approved",
            facts=_outcome_facts(row, counted.approvers, counted.void),
            state=State.APPROVED,
            decided_by="review",
            decided_at=now,
        )
    elif counted.outcome == Outcome.DENIED:
        journal.step(
            "command.denied",
            facts={**_outcome_facts(row, counted.deniers, counted.void), "code": "reviewer"},
            state=State.DENIED,
            decided_by="review",
            denial_code="reviewer",
            denial_reason=reason,
            decided_at=now,
            finished_at=now,
        )
    vote = Decision(
        id=uuid7(),
        organization_id=access.organization_id,
        command_id=row.id,
        user_id=access.user_id,
        membership_id=access.membership_id,
        verdict=verdict,
        reason=reason,
        digest=digest,
        second_factor=access.second_factor or "",
        created_at=now,
    )
    journal.commit_update(writes=[db.insert(vote)])
    announce_command(row)


def _outcome_facts(row: CommandRequest, voters: Sequence[str], void: Sequence[str]) -> dict[str, object]:
    return {
        "by": "review",
        "digest": row.digest,
        "policy_hash": row.policy_hash,
        "void": list(void),
        "voters": list(voters),
    }
