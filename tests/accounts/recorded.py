"""What the log says, for assertions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from audit.selectors import list_events
from core import canonical


def types(organization_id: UUID | None) -> list[str]:
    """Return the types of a log's records, oldest first."""
    return [row.type for row in list_events(organization_id).order_by("seq")]


def last(organization_id: UUID | None, kind: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the last record of a type, and its payload."""
    row = list_events(organization_id).filter(type=kind)[0]
    return canonical.loads(row.raw), row.payload
