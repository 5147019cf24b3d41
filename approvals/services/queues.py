"""Open an organization's queue: its default policy, its empty whitelist, its sealed row."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.models import ApprovalPolicy, QueueState
from approvals.selectors.integrity import policy_document_hash
from approvals.selectors.rulesets import EMPTY_ROOT
from approvals.services.journal import QueueJournal


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
