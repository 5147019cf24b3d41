"""Periodic jobs, above the services."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from approvals.models import QueueState
from approvals.services.expire import BATCH, expire_due_commands
from approvals.services.rules import recover_whitelist

MAX_BATCHES = 50


def expire_commands() -> None:
    """Record every open command whose time is over."""
    for _ in range(MAX_BATCHES):
        if expire_due_commands(now=timezone.now()) < BATCH:
            return


def recover_whitelists() -> None:
    """Complete or void changes of a whitelist that a crash left open."""
    left = QueueState.objects.exclude(pending_version=None).values_list("organization_id", flat=True)
    for organization_id in left:
        recover_whitelist(organization_id=organization_id, now=timezone.now())


PERIODIC: tuple[Callable[[], None], ...] = (expire_commands, recover_whitelists)
