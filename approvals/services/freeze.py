"""Stop, and start again, everything that an organization's queue lets through."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.access import Access, require_verified
from accounts.domain.roles import Ability
from approvals.models import QueueState
from approvals.services.journal import QueueJournal

SYSTEM_ACTOR = "system:integrity"
REASON_MAX_CHARS = 200


def freeze_in_place(
    queue: QueueState, *, reason: str, now: datetime, actor: str = SYSTEM_ACTOR
) -> None:
    """Freeze a locked queue row. Frozen already: nothing happens."""
    if queue.frozen_at is not None:
        return
    journal = QueueJournal(queue, actor=actor, now=now)
    text = reason[:REASON_MAX_CHARS]
    journal.step("queue.frozen", payload={"reason": text}, frozen_at=now, frozen_reason=text)
    journal.commit_update()


@transaction.atomic
def freeze_queue(*, access: Access, reason: str, now: datetime) -> None:
    """Freeze the organization's queue: nothing is released, no rule approves."""
    require_verified(access, Ability.ADMINISTER)
    queue = _lock(access.organization_id)
    freeze_in_place(queue, reason=reason, now=now, actor=access.actor)


@transaction.atomic
def unfreeze_queue(*, access: Access, reason: str, now: datetime) -> None:
    """Let the queue go on, after a human looked.

    The row is sealed anew as it stands, so this also ends a queue row's broken seal.
    """
    require_verified(access, Ability.ADMINISTER)
    queue = _lock(access.organization_id)
    journal = QueueJournal(queue, actor=access.actor, now=now)
    journal.step("queue.unfrozen", payload={"reason": reason}, frozen_at=None, frozen_reason="")
    journal.commit_update()


def _lock(organization_id: UUID) -> QueueState:
    return QueueState.objects.select_for_update().get(organization_id=organization_id)
