"""What happens after a commit: waiters are woken, reviewers' pages told. Never before it."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from approvals import waiting
from approvals.models import CommandRequest

logger = logging.getLogger(__name__)


def reviewers_group(organization_id: UUID) -> str:
    """Return the channel group of an organization's reviewers."""
    return f"reviewers.{organization_id.hex}"


def announce_command(row: CommandRequest) -> None:
    """Tell reviewers' pages and the waiting agent, once committed. Ids and public fields only."""
    message = {
        "type": "command.changed",
        "id": str(row.id),
        "state": str(row.state),
        "version": row.version,
    }
    transaction.on_commit(partial(_announce, row.organization_id, row.id, message))


def announce_violation(organization_id: UUID, reason: str) -> None:
    """Raise the alarm, once the violation is committed."""
    text = "integrity violated in organization %s: %s"
    transaction.on_commit(partial(logger.critical, text, organization_id, reason))


def _announce(organization_id: UUID, command_id: UUID, message: dict[str, Any]) -> None:
    waiting.wake(command_id)
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(reviewers_group(organization_id), message)
    except Exception:
        # The change is committed. Pages resynchronise when their socket reconnects.
        logger.exception("the channel layer is not available")
