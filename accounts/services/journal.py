"""Record what concerns one person in the logs of every organization that they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.selectors import list_log_organizations
from audit.services import Event, append
from core.ids import uuid7

ADDRESS_CHARS = 64


def person_event(
    kind: str,
    user_id: UUID,
    *,
    actor: str = "",
    facts: Mapping[str, Any] | None = None,
    payload: Mapping[str, Any] | None = None,
) -> Event:
    """Return an event about a person, by default one of their own doing."""
    obj = f"user:{user_id}"
    return Event(type=kind, obj=obj, actor=actor or obj, facts=facts or {}, payload=payload)


def append_for_person(user_id: UUID, events: Sequence[Event], *, now: datetime) -> None:
    """Append copies of the events to each of the person's logs; a transaction's last statement.

    The logs' head rows are locked in the order of their organizations, everywhere, so that two
    people who share organizations cannot block each other for good.
    """
    for organization_id in list_log_organizations(user_id):
        copies = [replace(event, event_id=uuid7()) for event in events]
        append(organization_id=organization_id, now=now, events=copies)


def client(address: str) -> dict[str, Any]:
    """Return the payload that says where a request came from."""
    return {"address": address[:ADDRESS_CHARS]}
