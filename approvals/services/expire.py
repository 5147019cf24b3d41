"""Record what the clock has already decided."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.selectors.commands import list_due
from approvals.services.journal import LostRace
from approvals.services.locking import take_command
from core.problems import Problem

BATCH = 200


def expire_due_commands(*, now: datetime) -> int:
    """Expire a batch of commands whose time is over; return how many were due."""
    due = list_due(now=now, limit=BATCH)
    for organization_id, command_id in due:
        _expire(organization_id, command_id, now)
    return len(due)


def _expire(organization_id: UUID, command_id: UUID, now: datetime) -> None:
    try:
        with transaction.atomic():
            take_command(organization_id=organization_id, command_id=command_id, now=now)
    except (LostRace, Problem):
        return  # somebody else brought it to an end first
