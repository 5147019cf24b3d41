"""Hold rows against the log: this row is the one that its last record commits to, or it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Subquery

from approvals.domain.policy import PolicySnapshot
from approvals.domain.queue_log import QueueFacts, replay_queue
from approvals.domain.request import Wish, compute_digest, format_time
from approvals.domain.seal import (
    SEAL_V,
    Broken,
    Replayed,
    check_row,
    columns_commitment,
    make_seal,
    replay,
)
from approvals.models import ApprovalPolicy, CommandRequest, QueueState
from audit.domain.record import format_time as format_instant
from audit.models import AuditEvent
from audit.selectors import get_log
from core import canonical, keys

TEXTS_PREFIX = b"expacti/texts/1\n"


def command_object(command_id: Any) -> str:
    """Return a command's audit id."""
    return f"command:{command_id}"


def queue_object(organization_id: Any) -> str:
    """Return an organization's queue's audit id."""
    return f"queue:{organization_id}"


def command_columns(row: CommandRequest) -> dict[str, Any]:
    """Return the named columns of `seal_v` 1. Never change this list: add a version."""

    def instant(value: Any) -> str | None:
        return None if value is None else format_instant(value)

    return {
        "agent": str(row.agent_id),
        "api_key": str(row.api_key_id),
        "body_hash": row.body_hash,
        "created_at": instant(row.created_at),
        "decide_by": instant(row.decide_by),
        "decided_at": instant(row.decided_at),
        "decided_by": row.decided_by,
        "denial_code": row.denial_code,
        "digest": row.digest,
        "exit_code": row.exit_code,
        "expires_at": format_time(row.expires_at),
        "fingerprint": row.fingerprint,
        "grant_jti": row.grant_jti,
        "id": str(row.id),
        "nonce": row.nonce,
        "organization": str(row.organization_id),
        "output_digest": row.output_digest,
        "policy_hash": row.policy_hash,
        "release_nonce": row.release_nonce,
        "released_at": instant(row.released_at),
        "signal": row.signal,
        "state": str(row.state),
        "submitted_by": None if row.submitted_by_id is None else str(row.submitted_by_id),
        "texts": _texts_mac(row),
    }


def _texts_mac(row: CommandRequest) -> str:
    """Bind what reviewers read beside the command; keyed, so that the log tells nothing of it."""
    texts = {
        "context": row.context,
        "denial_reason": row.denial_reason,
        "match": row.match,
        "reason": row.reason,
    }
    return keys.mac(seal_key(row.organization_id), TEXTS_PREFIX + canonical.dumps(texts)).hex()


def queue_columns(row: QueueState) -> dict[str, Any]:
    """Return the named columns of the queue row, version 1."""
    return {
        "frozen": row.frozen_at is not None,
        "organization": str(row.organization_id),
        "pending_root": row.pending_root,
        "pending_version": row.pending_version,
        "policy_hash": row.policy_hash,
        "whitelist_root": row.whitelist_root,
        "whitelist_version": row.whitelist_version,
    }


def seal_key(organization_id: UUID) -> bytes:
    """Return the organization's sealing key."""
    return keys.derive("seal", str(organization_id))


def seal_command(row: CommandRequest) -> str:
    """Seal the row as it stands; return the commitment for its record."""
    commitment = columns_commitment(command_columns(row))
    row.seal_v = SEAL_V
    row.seal = make_seal(
        seal_key(row.organization_id),
        columns=commitment,
        last_event=str(row.last_event),
        version=row.version,
    )
    return commitment


def seal_queue(row: QueueState) -> str:
    """Seal the queue row as it stands; return the commitment for its record."""
    commitment = columns_commitment(queue_columns(row))
    row.seal = make_seal(
        seal_key(row.organization_id),
        columns=commitment,
        last_event=str(row.last_event),
        version=row.version,
    )
    return commitment


def verify_command(row: CommandRequest) -> Replayed | Broken:
    """Return what the log says of the command, or why row and log do not agree. One query."""
    log = get_log(row.organization_id)
    records = AuditEvent.objects.filter(log_id=log.id, obj=command_object(row.id)).order_by("seq")
    raws = [(raw.encode(), bytes(leaf)) for raw, leaf in records.values_list("raw", "leaf_hash")]
    replayed = replay(raws, mac_key=keys.derive("audit-mac", log.origin))
    try:
        broken = _command_fault(row, replayed)
    except (canonical.CanonicalError, KeyError, TypeError, ValueError, AttributeError):
        broken = Broken("the row holds what no service writes")
    return replayed if broken is None else broken


def _command_fault(row: CommandRequest, replayed: Replayed | Broken) -> Broken | None:
    broken = check_row(
        replayed,
        columns=command_columns(row),
        state=row.state,
        version=row.version,
        last_event=str(row.last_event),
        seal=bytes(row.seal),
        key=seal_key(row.organization_id),
    )
    if broken is None and policy_of(row).hash != row.policy_hash:
        broken = Broken("its policy is not the one that it was submitted under")
    if broken is None and not keys.equal(row.digest, _digest_of(row)):
        # The command's text is encrypted and bound by the digest alone. Without this a reviewer could
        # be shown another command's text, and vote on the digest of this one.
        broken = Broken("what it would show is not what its digest binds")
    return broken


def _digest_of(row: CommandRequest) -> str:
    return compute_digest(
        Wish.from_dict(row.wish),
        organization=str(row.organization_id),
        agent=str(row.agent_id),
        id=str(row.id),
        nonce=row.nonce,
        expires_at=row.expires_at,
    )


def policy_of(row: CommandRequest) -> PolicySnapshot:
    """Return the policy that the command was submitted under."""
    return PolicySnapshot(**row.policy)


@dataclass(frozen=True, slots=True)
class QueueView:
    """The queue row, or why nothing may be approved through it."""

    row: QueueState
    broken: Broken | None

    @property
    def closed_reason(self) -> str | None:
        """Return why no rule may approve and nothing may be released, or None."""
        if self.broken is not None:
            return f"the queue's state cannot be trusted: {self.broken.reason}"
        if self.row.frozen_at is not None:
            return f"the queue is frozen: {self.row.frozen_reason or 'by an operator'}"
        return None


def get_queue(organization_id: UUID) -> QueueView:
    """Return the queue row, checked against its seal and the log's last word on it. One query."""
    log = get_log(organization_id)
    last = AuditEvent.objects.filter(log_id=log.id, obj=queue_object(organization_id))
    row = (
        QueueState.objects.select_related("policy")
        .annotate(
            logged_event=Subquery(last.order_by("-seq").values("event_id")[:1]),
        )
        .get(organization_id=organization_id)
    )
    return QueueView(row, _queue_fault(row, row.logged_event))


def replay_queue_log(organization_id: UUID) -> QueueFacts | Broken:
    """Return what the whole log says of the queue: for repair, not for the path of a request."""
    log = get_log(organization_id)
    records = AuditEvent.objects.filter(log_id=log.id, obj=queue_object(organization_id)).order_by("seq")
    raws = ((raw.encode(), bytes(leaf)) for raw, leaf in records.values_list("raw", "leaf_hash"))
    return replay_queue(raws, mac_key=keys.derive("audit-mac", log.origin))


def _queue_fault(row: QueueState, logged_event: UUID | None) -> Broken | None:
    expected = make_seal(
        seal_key(row.organization_id),
        columns=columns_commitment(queue_columns(row)),
        last_event=str(row.last_event),
        version=row.version,
    )
    if not keys.equal(bytes(row.seal), expected):
        return Broken("the queue row's seal does not hold")
    if logged_event != row.last_event:
        return Broken("the queue row is not the version that the log ends with")
    return None


def get_policy(queue: QueueState) -> ApprovalPolicy | Broken:
    """Return the default policy, if it is the one that the sealed queue row names. It came with the row."""
    policy = queue.policy
    if policy.organization_id != queue.organization_id:
        return Broken("the policy is another organization's")
    if not keys.equal(policy_document_hash(policy), queue.policy_hash):
        return Broken("the policy was changed behind the log")
    return policy


def policy_document_hash(policy: ApprovalPolicy) -> str:
    """Return the commitment to a policy's own columns."""
    return columns_commitment(
        {
            "decide_within_s": policy.decide_within_s,
            "deny_threshold": policy.deny_threshold,
            "id": str(policy.id),
            "organization": str(policy.organization_id),
            "require_reason": policy.require_reason,
            "required_approvals": policy.required_approvals,
            "separation_of_duties": policy.separation_of_duties,
            "version": policy.version,
        }
    )
