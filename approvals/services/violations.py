"""What is found tampered outside a single command: recorded, stopped, told. All of it committed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from approvals.effects import announce_violation
from approvals.services.freeze import SYSTEM_ACTOR, freeze_in_place
from approvals.services.queues import take_queue
from audit.services import Event, append

REPORT_EVERY_S = 60


@transaction.atomic
def report_queue_violation(*, organization_id: UUID, reason: str, now: datetime) -> None:
    """Record that the queue row or the policy was changed behind the log, and freeze the queue."""
    view = take_queue(organization_id)
    if freeze_in_place(view, reason=reason, now=now, violation=reason):
        announce_violation(organization_id, reason)


@transaction.atomic
def report_whitelist_violation(*, organization_id: UUID, reason: str, now: datetime) -> None:
    """Record that the whitelist's database was changed behind the log.

    Without a freeze: no rule approves while it is so, and humans may go on. Once a minute and reason,
    however many commands come.
    """
    told = hashlib.sha256(reason.encode()).hexdigest()
    if not cache.add(f"whitelist-violation:{organization_id}:{told}", 1, REPORT_EVERY_S):
        return
    obj = f"whitelist:{organization_id}"
    append(
        organization_id=organization_id,
        now=now,
        events=[Event("integrity.violated", obj, SYSTEM_ACTOR, {"reason": reason})],
    )
    announce_violation(organization_id, reason)
