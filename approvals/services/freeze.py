"""Stop, and start again, everything that an organization's queue lets through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.domain.access import Access, require_verified
from accounts.domain.roles import Ability
from approvals.selectors.integrity import QueueView
from approvals.services.journal import QueueJournal
from approvals.services.queues import REPAIRED, repair_queue, take_queue
from core.problems import Problem

SYSTEM_ACTOR = "system:integrity"
REASON_MAX_CHARS = 200


def freeze_in_place(
    view: QueueView, *, reason: str, now: datetime, actor: str = SYSTEM_ACTOR, violation: str = ""
) -> bool:
    """Freeze a queue that was taken; with `violation` recording that first. True when it was done.

    Frozen already: nothing happens. A broken row is first put back to what the log says. Where the log
    itself does not hold the row stays broken, and so closed: to seal it would make a forgery genuine.
    """
    broken = view.broken is not None
    if not repair_queue(view) or (view.row.frozen_at is not None and not broken):
        return False
    journal = QueueJournal(view.row, actor=actor, now=now)
    if violation:
        # Before the freeze: the queue's last record has to be the one that its row commits to.
        journal.aside("integrity.violated", facts={"reason": violation})
    text = reason[:REASON_MAX_CHARS]
    journal.step("queue.frozen", payload={"reason": text}, frozen_at=now, frozen_reason=text, **_repaired(view))
    journal.commit_update()
    return True


@transaction.atomic
def freeze_queue(*, access: Access, reason: str, now: datetime) -> None:
    """Freeze the organization's queue: nothing is released, no rule approves."""
    require_verified(access, Ability.ADMINISTER)
    freeze_in_place(take_queue(access.organization_id), reason=reason, now=now, actor=access.actor)


@transaction.atomic
def unfreeze_queue(*, access: Access, reason: str, now: datetime) -> None:
    """Let the queue go on, after a human looked. A broken row is put back to what the log says.

    Raises:
        Problem: 401, 403, or 409 `integrity_violated` when the log itself does not hold.
    """
    require_verified(access, Ability.ADMINISTER)
    view = take_queue(access.organization_id)
    if not repair_queue(view):
        detail = "The audit log of the queue does not hold. Run manage.py verify_audit, and restore a backup."
        raise Problem(409, "integrity_violated", detail)
    journal = QueueJournal(view.row, actor=access.actor, now=now)
    journal.step("queue.unfrozen", payload={"reason": reason}, frozen_at=None, frozen_reason="", **_repaired(view))
    journal.commit_update()


def _repaired(view: QueueView) -> dict[str, Any]:
    """Return the columns that a repair may have changed, for the update to write."""
    return {} if view.broken is None else {name: getattr(view.row, name) for name in REPAIRED}
