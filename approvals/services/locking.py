"""Take a row for one action: locked, checked against the log, and by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from approvals.domain.seal import Broken, Replayed
from approvals.domain.states import OPEN, State
from approvals.effects import announce_command, announce_violation
from approvals.models import CommandRequest
from approvals.selectors.commands import effective_state
from approvals.selectors.integrity import verify_command
from approvals.services.freeze import freeze_in_place
from approvals.services.journal import CommandJournal
from approvals.services.queues import take_queue
from core.problems import Problem, not_found

SYSTEM_ACTOR = "system:integrity"
CLOCK_ACTOR = "system:clock"
INTEGRITY = "integrity"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The action was not done, and that is recorded and committed. Edges answer `problem`."""

    problem: Problem
    row: CommandRequest


@dataclass(frozen=True, slots=True)
class Taken:
    """The row, locked and proved, with what the log says of it."""

    row: CommandRequest
    replayed: Replayed


def take_command(*, organization_id: UUID, command_id: UUID, now: datetime) -> Taken | Refusal:
    """Lock the command and prove it. Inside the caller's `atomic` block.

    A row that does not agree with the log is denied, and its queue frozen, here and now; an open row
    whose time is over expires here and now. Both are written before this returns.

    Raises:
        Problem: 404 when the organization has no such command.
    """
    # 1. The lock. SQLite's transactions are IMMEDIATE: it has the whole database.
    rows = CommandRequest.objects.select_for_update(of=("self",)).select_related("agent")
    row = rows.filter(organization_id=organization_id, pk=command_id).first()
    if row is None:
        raise not_found()
    # 2. The seal and the log.
    replayed = verify_command(row)
    if isinstance(replayed, Broken):
        return _refuse_broken(row, replayed, now)
    # 3. The clock.
    if row.state in OPEN and effective_state(row, now) == State.EXPIRED:
        expire_in_place(row, now=now)
        return Refusal(Problem(409, "expired", "Its time is over. Submit it again."), row)
    return Taken(row, replayed)


def expire_in_place(row: CommandRequest, *, now: datetime) -> None:
    """Record that an open command's time is over."""
    journal = CommandJournal(row, actor=CLOCK_ACTOR, now=now)
    was = row.state
    journal.step("command.expired", facts={"was": was}, state=State.EXPIRED, finished_at=now)
    journal.commit_update()
    announce_command(row)


def final_problem(row: CommandRequest) -> Problem:
    """Return the refusal that fits a state from which there is no way."""
    details = {
        State.DENIED: ("denied", "It was denied."),
        State.EXPIRED: ("expired", "Its time is over. Submit it again."),
        State.CANCELLED: ("cancelled", "It was cancelled."),
    }
    code, detail = details.get(State(row.state), ("state_final", f"It is {row.state}; that does not change any more."))
    return Problem(409, code, detail)


def _refuse_broken(row: CommandRequest, broken: Broken, now: datetime) -> Refusal:
    detail = "The stored command does not agree with the audit log. It will not run; the queue is frozen."
    problem = Problem(409, "integrity_violated", detail)
    if row.state == State.DENIED and row.denial_code == INTEGRITY:
        return Refusal(problem, row)
    journal = CommandJournal(row, actor=SYSTEM_ACTOR, now=now)
    journal.aside(
        "integrity.violated",
        facts={"reason": broken.reason, "found_state": row.state, "found_version": row.version},
    )
    journal.step(
        "command.denied",
        facts={"by": "system", "code": INTEGRITY},
        state=State.DENIED,
        denial_code=INTEGRITY,
        denial_reason=broken.reason,
        decided_at=now,
        finished_at=now,
    )
    queue = take_queue(row.organization_id)
    freeze_in_place(queue, reason=f"a command disagrees with the log: {broken.reason}", now=now)
    journal.commit_update()
    announce_violation(row.organization_id, broken.reason)
    announce_command(row)
    return Refusal(problem, row)
