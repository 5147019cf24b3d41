"""An organization's queue row: opened once, taken checked, and repaired from the log."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.domain.seal import Broken
from approvals.models import ApprovalPolicy, QueueState
from approvals.selectors.integrity import QueueView, get_queue, policy_document_hash, replay_queue_log
from approvals.selectors.rulesets import EMPTY_ROOT
from approvals.services.journal import QueueJournal
from core.problems import Problem

logger = logging.getLogger(__name__)
REPAIRED = ("policy_hash", "whitelist_version", "whitelist_root", "pending_version", "pending_root")


def take_queue(organization_id: UUID) -> QueueView:
    """Lock the queue row, and check it. Inside the caller's `atomic` block, before any `QueueJournal`.

    A journal seals the row as it stands: on an unchecked row that would make a forgery genuine.
    """
    QueueState.objects.select_for_update().get(organization_id=organization_id)
    return get_queue(organization_id)


def take_sound_queue(organization_id: UUID) -> QueueState:
    """Lock the queue row, which has to agree with the log.

    Raises:
        Problem: 409 `integrity_violated` when it does not; freezing and unfreezing repair it.
    """
    view = take_queue(organization_id)
    if view.broken is not None:
        detail = f"Nothing can be changed: {view.closed_reason}. Look at what happened, then unfreeze the queue."
        raise Problem(409, "integrity_violated", detail)
    return view.row


def repair_queue(view: QueueView) -> bool:
    """Put back into a locked row what the log says; False when the log itself does not hold.

    The caller's journal then seals the row. Nothing of what was found in it survives.
    """
    if view.broken is None:
        return True
    facts = replay_queue_log(view.row.organization_id)
    if isinstance(facts, Broken):
        logger.critical("organization %s: the log of its queue: %s", view.row.organization_id, facts.reason)
        return False
    row, stored_version = view.row, view.row.version
    for name in (*REPAIRED, "version"):
        setattr(row, name, getattr(facts, name))
    row.last_event = UUID(facts.last_event)
    if not facts.frozen:
        row.frozen_at, row.frozen_reason = None, ""
    # The journal compares and sets by version: the row has to have the one that it goes on from.
    QueueState.objects.filter(organization_id=row.organization_id, version=stored_version).update(version=facts.version)
    return True


@transaction.atomic
def open_queue(*, organization_id: UUID, actor: str, now: datetime) -> QueueState:
    """Create what an organization needs before its agents may submit.

    Called in the transaction that creates the organization.
    """
    policy = ApprovalPolicy(organization_id=organization_id, updated_at=now)
    policy.save(force_insert=True)
    queue = QueueState(
        organization_id=organization_id,
        policy=policy,
        whitelist_root=EMPTY_ROOT,
        policy_hash=policy_document_hash(policy),
        version=0,
        seal=b"",
    )
    journal = QueueJournal(queue, actor=actor, now=now)
    facts = {
        "policy": str(policy.id),
        "policy_hash": queue.policy_hash,
        "whitelist_root": EMPTY_ROOT,
        "whitelist_version": 0,
    }
    journal.step("queue.opened", facts=facts)
    journal.commit_insert()
    return queue
