"""What leaves the process: word to open sockets that a session has ended."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction


def person_group(user_id: UUID) -> str:
    """Return the channel group that every socket of a person joins."""
    return f"user.{user_id.hex}"


def announce_session_end(user_id: UUID, organization_id: UUID | None = None) -> None:
    """Once the transaction commits, make the person's sockets ask again whether they may stay.

    None means every organization. A lost word delays only the closing: each socket asks again
    before each message anyway, so a failure here is logged and no more.
    """
    transaction.on_commit(partial(_send, user_id, organization_id), robust=True)


def _send(user_id: UUID, organization_id: UUID | None) -> None:
    layer: Any = get_channel_layer()  # type: ignore[no-untyped-call]  # channels has no annotations
    if layer is None:
        return
    organization = None if organization_id is None else str(organization_id)
    message = {"type": "session.ended", "organization": organization}
    async_to_sync(layer.group_send)(person_group(user_id), message)
