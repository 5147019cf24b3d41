"""Take a command from an agent: bind it, try the rules, and store it with its records at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.domain.principal import AgentPrincipal
from approvals.domain.policy import PolicySnapshot, separation_default
from approvals.domain.request import Submission, compute_digest, compute_fingerprint, format_time
from approvals.domain.seal import Broken
from approvals.domain.states import State
from approvals.effects import announce_command
from approvals.models import ApprovalPolicy, CommandRequest, CommandWord
from approvals.selectors.commands import count_open
from approvals.selectors.integrity import QueueView, get_queue
from approvals.selectors.rulesets import (
    Ruleset,
)
from approvals.services.granting import record_release
from approvals.services.journal import CommandJournal, LostRace
from approvals.services.rule_verdict import take_view, try_rules
from approvals.services.rule_writes import queue_probe, use_writes
from approvals.whitelist.domain.model import Outcome, Verdict
from core import db, keys, search
from core.problems import Problem

MATCHER_ACTOR = "system:whitelist"
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Submitted:
    """The command as stored; `repeated` when the same request had come before.

    `grant` is what this answer may hand out: the one that the request's own nonce took.
    """

    row: CommandRequest
    repeated: bool
    grant: str


def submit_command(*, agent: AgentPrincipal, submission: Submission, now: datetime) -> Submitted:
    """Store a command. A rule may approve or deny it at once; else it waits for a human.

    Raises:
        Problem: 422 for a wrong digest or time to live, 409 for a reused id, 429 over the quota.
    """
    # 1. Everything that needs no database; but who asks again is answered again, over or not.
    untimely = _time_problem(agent, submission, now)
    if untimely is not None:
        earlier = _find_repeated(agent, submission, now)
        if earlier is None:
            raise untimely
        return earlier
    _check_digest(agent, submission)
    # 2. What is in force now, each proved against its seal.
    queue, policy = take_view(agent.organization.id, now)
    row = _new_row(agent, submission, policy, now)
    verdict, ruleset = try_rules(agent, submission.wish, queue, policy, now)
    # 3. Row, search words, uses and records in one statement.
    try:
        return _store(agent, submission, row, verdict, ruleset, queue)
    except LostRace:
        # What the rules said does not hold any more. That is no refusal: a human decides.
        row = _new_row(agent, submission, policy, now)
        late = "the rule that would allow it is used up, or the queue changed at this moment"
        return _store(agent, submission, row, Verdict(Outcome.REVIEW, (late,), verdict.rules), ruleset, queue)


def _time_problem(agent: AgentPrincipal, submission: Submission, now: datetime) -> Problem | None:
    ttl = (submission.expires_at - now).total_seconds()
    cap = min(agent.organization.max_ttl_s, settings.TTL_MAX_S)
    if ttl > cap + settings.CLOCK_SKEW_S:
        detail = f"The longest time to live here is {cap} seconds; this asks for {ttl:.0f}."
        return Problem(422, "ttl_too_long", detail, extra={"cap_s": cap})
    if ttl <= 0:
        detail = f"expires_at is past. The server's time is {format_time(now)}; check the clock."
        return Problem(422, "ttl_too_short", detail, extra={"server_time": format_time(now)})
    if ttl < settings.TTL_MIN_S - settings.TTL_MIN_GRACE_S:
        detail = f"The shortest time to live is {settings.TTL_MIN_S} seconds."
        return Problem(422, "ttl_too_short", detail)
    return None


def _check_digest(agent: AgentPrincipal, submission: Submission) -> None:
    expected = compute_digest(
        submission.wish,
        organization=str(agent.organization.id),
        agent=str(agent.agent_id),
        id=submission.id,
        nonce=submission.nonce,
        expires_at=submission.expires_at,
    )
    if not keys.equal(expected, submission.digest):
        detail = "The digest does not bind this request as this organization's and agent's."
        raise Problem(422, "digest_mismatch", detail)


def _new_row(
    agent: AgentPrincipal, submission: Submission, policy: ApprovalPolicy | Broken, now: datetime
) -> CommandRequest:
    organization = str(agent.organization.id)
    snapshot = _snapshot(policy)
    key = keys.derive("fingerprint", organization)
    return CommandRequest(
        id=UUID(submission.id),
        organization_id=agent.organization.id,
        agent_id=agent.agent_id,
        api_key_id=agent.key_id,
        state=State.PENDING,
        nonce=submission.nonce,
        digest=submission.digest,
        fingerprint=compute_fingerprint(submission.wish, agent=str(agent.agent_id), key=key),
        body_hash=submission.body_hash,
        wish=submission.wish.as_dict(),
        reason=submission.reason,
        context=submission.context,
        policy=asdict(snapshot),
        policy_hash=snapshot.hash,
        created_at=now,
        expires_at=submission.expires_at,
        decide_by=_decide_by(policy, submission.expires_at, now),
        version=0,
        seal_v=0,
        seal=b"",
    )


def _snapshot(policy: ApprovalPolicy | Broken) -> PolicySnapshot:
    if isinstance(policy, Broken):
        # Nobody knows what was asked for: two people, neither of them the agent's owner.
        return PolicySnapshot("", 0, 2, 1, separation_of_duties=True, require_reason=True)
    separation = policy.separation_of_duties
    return PolicySnapshot(
        policy_id=str(policy.id),
        version=policy.version,
        required_approvals=policy.required_approvals,
        deny_threshold=policy.deny_threshold,
        separation_of_duties=(separation_default(policy.required_approvals) if separation is None else separation),
        require_reason=policy.require_reason,
    )


def _decide_by(policy: ApprovalPolicy | Broken, expires_at: datetime, now: datetime) -> datetime:
    if isinstance(policy, Broken) or policy.decide_within_s is None:
        return expires_at
    return min(expires_at, now + timedelta(seconds=policy.decide_within_s))


def _store(
    agent: AgentPrincipal,
    submission: Submission,
    row: CommandRequest,
    verdict: Verdict,
    ruleset: Ruleset | None,
    queue: QueueView,
) -> Submitted:
    now = row.created_at
    row.match = {
        "outcome": str(verdict.outcome),
        "reasons": list(verdict.reasons),
        "rules": list(verdict.rules),
    }
    journal = CommandJournal(row, actor=agent.actor, now=now)
    _record_submission(journal, agent, submission)
    writes: list[db.Write] = []
    if verdict.outcome == Outcome.ALLOW and ruleset is not None:
        _record_approval(journal, agent, submission, verdict, ruleset, now)
        writes = [queue_probe(queue), *use_writes(agent.organization.id, verdict, ruleset, now)]
    elif verdict.outcome == Outcome.DENY:
        _record_denial(journal, verdict, now)
    elif (full := _quota_problem(agent)) is not None:
        earlier = _find_repeated(agent, submission, now)
        if earlier is None:
            raise full
        return earlier
    words = _words(agent.organization.id, submission)
    if words:
        writes.append(db.insert(*words))
    try:
        with _savepoint():
            journal.commit_insert(writes=writes)
    except IntegrityError:
        # The id is taken: a second insert waits for the first to commit, so it can be read by now. What
        # else refuses an insert is no answer to the agent.
        earlier = _find_repeated(agent, submission, now)
        if earlier is None:
            raise
        return earlier
    if row.state == State.PENDING:
        announce_command(row)
    return Submitted(row, repeated=False, grant=row.grant)


def _savepoint() -> AbstractContextManager[Any]:
    # The one statement is its own transaction, at a third of the round trips. Inside a transaction of
    # the caller's a savepoint keeps a reused id from spoiling it.
    return transaction.atomic() if transaction.get_connection().in_atomic_block else nullcontext()


def _record_submission(journal: CommandJournal, agent: AgentPrincipal, submission: Submission) -> None:
    row = journal.row
    facts = {
        "agent": str(agent.agent_id),
        "digest": row.digest,
        "expires_at": format_time(row.expires_at),
        "fingerprint": row.fingerprint,
        "key": str(agent.key_id),
        "policy": row.policy,
        "policy_hash": row.policy_hash,
    }
    payload = {
        "agent": agent.agent_name,
        "reason": submission.reason,
        "wish": submission.wish.as_dict(),
    }
    journal.step("command.submitted", facts=facts, payload=payload)


def _record_approval(
    journal: CommandJournal,
    agent: AgentPrincipal,
    submission: Submission,
    verdict: Verdict,
    ruleset: Ruleset,
    now: datetime,
) -> None:
    facts = {
        "by": "rule",
        "digest": submission.digest,
        "rules": [{"id": rule, "leaf": ruleset.leaves[rule].hex()} for rule in verdict.rules],
        "whitelist_root": ruleset.root,
        "whitelist_version": ruleset.version,
    }
    journal.actor = MATCHER_ACTOR
    journal.step("command.approved", facts=facts, state=State.APPROVED, decided_by="rule", decided_at=now)
    journal.actor = agent.actor
    if submission.release_nonce is not None:
        record_release(journal, release_nonce=submission.release_nonce, now=now)


def _record_denial(journal: CommandJournal, verdict: Verdict, now: datetime) -> None:
    journal.actor = MATCHER_ACTOR
    reason = "; ".join(verdict.reasons)
    journal.step(
        "command.denied",
        facts={"by": "rule", "code": "rule", "rules": list(verdict.rules)},
        payload={"reason": reason},
        state=State.DENIED,
        decided_by="rule",
        denial_code="rule",
        denial_reason=reason,
        decided_at=now,
        finished_at=now,
    )


def _quota_problem(agent: AgentPrincipal) -> Problem | None:
    limit = settings.OPEN_COMMANDS_PER_ORGANIZATION
    if count_open(agent.organization.id) < limit:
        return None
    detail = f"{limit} commands wait in this organization already. Let reviewers decide first."
    return Problem(429, "throttled", detail, headers={"Retry-After": "30"})


def _find_repeated(agent: AgentPrincipal, submission: Submission, now: datetime) -> Submitted | None:
    """Answer a request whose id is taken: the first answer to the same agent, else 409."""
    row = CommandRequest.objects.select_related("agent").filter(pk=submission.id).first()
    if row is None:
        return None
    same = row.agent_id == agent.agent_id and row.organization_id == agent.organization.id
    if not same or not keys.equal(row.body_hash, submission.body_hash):
        raise Problem(409, "id_reused", "This id belongs to another request. Make a new one.")
    if now - row.created_at > timedelta(seconds=settings.IDEMPOTENCY_WINDOW_S):
        raise Problem(409, "id_expired", "This id was used more than 24 hours ago. Make a new one.")
    return Submitted(row, repeated=True, grant=_grant_again(row, submission, now))


def _grant_again(row: CommandRequest, submission: Submission, now: datetime) -> str:
    """Return the grant that the lost answer held; nothing after its time, and nothing while frozen."""
    if not row.grant or row.release_nonce != submission.release_nonce or now >= row.expires_at:
        return ""
    return row.grant if get_queue(row.organization_id).closed_reason is None else ""


def _words(organization_id: UUID, submission: Submission) -> list[CommandWord]:
    wish = submission.wish
    texts = [*(wish.argv or ()), wish.command or "", wish.host, wish.user, submission.reason]
    return [
        CommandWord(organization_id=organization_id, word=word, command_id=UUID(submission.id))
        for word in search.digests(str(organization_id), texts)
    ]
