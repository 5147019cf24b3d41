"""What the submitting agent does after the decision: take the one grant, report, cancel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.principal import AgentPrincipal
from approvals.domain.states import OPEN, State
from approvals.effects import announce_command
from approvals.models import CommandRequest
from approvals.services.freeze import freeze_in_place
from approvals.services.granting import record_release
from approvals.services.journal import CommandJournal
from approvals.services.locking import Refusal, final_problem, take_command
from approvals.services.queues import take_queue
from core import keys
from core.problems import Problem, not_found

# SQLSTATE-like signal numbers fit a byte; exit codes are what wait(2) gives.
EXIT_CODE_MAX = 255


@dataclass(frozen=True, slots=True)
class Released:
    """The grant is in `row.grant`."""

    row: CommandRequest


@dataclass(frozen=True, slots=True)
class StillPending:
    """No decision yet."""

    row: CommandRequest


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the agent says happened. Its word, recorded as such."""

    exit_code: int | None
    signal: int | None
    duration_ms: int
    output_digest: str


@transaction.atomic
def release_command(
    *, agent: AgentPrincipal, command_id: UUID, release_nonce: str, digest: str, now: datetime
) -> Released | StillPending | Refusal:
    """Give the submitting agent its one grant.

    The same `release_nonce` gets the identical grant until expiry, any other is refused. Nothing is
    handed out while the queue is frozen, a grant that was taken before included.

    Raises:
        Problem: 404 for another agent's command, 409 where it cannot be released.
    """
    taken = _take_own(agent, command_id, now)
    if isinstance(taken, Refusal):
        return taken
    row = taken
    if not keys.equal(row.digest, digest):
        raise Problem(409, "digest_changed", "The grant would be for another digest.")
    if row.state == State.PENDING:
        return StillPending(row)
    if row.state not in {State.APPROVED, State.RELEASED}:
        raise final_problem(row)
    closed = _closed_queue(row, now)
    if closed is not None:
        return closed
    if row.state == State.RELEASED:
        return _same_grant(row, release_nonce, now)
    journal = CommandJournal(row, actor=agent.actor, now=now)
    record_release(journal, release_nonce=release_nonce, now=now)
    journal.commit_update()
    announce_command(row)
    return Released(row)


def _same_grant(row: CommandRequest, release_nonce: str, now: datetime) -> Released:
    if not keys.equal(row.release_nonce, release_nonce):
        raise Problem(409, "already_released", "Its one grant was taken with another nonce.")
    if now >= row.expires_at:
        raise Problem(409, "expired", "Its time is over. Submit it again.")
    return Released(row)


def _closed_queue(row: CommandRequest, now: datetime) -> Refusal | None:
    """Return why nothing is released now. A queue row that does not agree with the log is frozen by it."""
    # The lock orders a release against a freeze: whoever comes second sees the other.
    view = take_queue(row.organization_id)
    reason = view.closed_reason
    if reason is None:
        return None
    if view.broken is not None:
        freeze_in_place(view, reason=view.broken.reason, now=now, violation=view.broken.reason)
    return Refusal(Problem(409, "queue_frozen", f"Nothing is released now: {reason}."), row)


@transaction.atomic
def report_result(
    *, agent: AgentPrincipal, command_id: UUID, result: RunResult, now: datetime
) -> CommandRequest | Refusal:
    """Record how the command ended. The same report again changes nothing.

    Raises:
        Problem: 404 for another agent's command, 409 from any state but released.
    """
    taken = _take_own(agent, command_id, now)
    if isinstance(taken, Refusal):
        return taken
    row = taken
    if row.state == State.EXECUTED and _result_of(row) == result:
        return row
    if row.state != State.RELEASED:
        raise final_problem(row) if row.state not in OPEN else _not_released(row)
    journal = CommandJournal(row, actor=agent.actor, now=now)
    journal.step(
        "command.executed",
        facts={
            "duration_ms": result.duration_ms,
            "exit_code": result.exit_code,
            "output_digest": result.output_digest,
            "signal": result.signal,
        },
        state=State.EXECUTED,
        finished_at=now,
        exit_code=result.exit_code,
        signal=result.signal,
        duration_ms=result.duration_ms,
        output_digest=result.output_digest,
    )
    journal.commit_update()
    announce_command(row)
    return row


@transaction.atomic
def cancel_command(*, agent: AgentPrincipal, command_id: UUID, reason: str, now: datetime) -> CommandRequest | Refusal:
    """Withdraw an open command.

    Raises:
        Problem: 404 for another agent's command, 409 once it is released or final.
    """
    taken = _take_own(agent, command_id, now)
    if isinstance(taken, Refusal):
        return taken
    row = taken
    if row.state == State.CANCELLED:
        return row
    if row.state not in OPEN:
        raise final_problem(row)
    journal = CommandJournal(row, actor=agent.actor, now=now)
    journal.step(
        "command.cancelled",
        facts={"was": str(row.state)},
        payload={"reason": reason},
        state=State.CANCELLED,
        finished_at=now,
    )
    journal.commit_update()
    announce_command(row)
    return row


def _take_own(agent: AgentPrincipal, command_id: UUID, now: datetime) -> CommandRequest | Refusal:
    organization_id = agent.organization.id
    own = CommandRequest.objects.filter(organization_id=organization_id, pk=command_id, agent_id=agent.agent_id)
    if not own.exists():
        raise not_found()
    taken = take_command(organization_id=organization_id, command_id=command_id, now=now)
    return taken if isinstance(taken, Refusal) else taken.row


def _result_of(row: CommandRequest) -> RunResult:
    return RunResult(row.exit_code, row.signal, row.duration_ms or 0, row.output_digest)


def _not_released(row: CommandRequest) -> Problem:
    return Problem(409, "not_approved", f"It is {row.state}: there is nothing to report yet.")
