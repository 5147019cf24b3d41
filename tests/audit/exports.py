"""A small log, its export, and the offline verifier's word on it."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime

from expacti_agent.verify import Anchor, Report, verify_export

from audit.export import export_lines
from audit.selectors import get_head
from audit.services import Event, append, open_log

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def make_log(records: int = 3, **payload: object) -> uuid.UUID:
    """Open a log with some records, every other with a payload."""
    organization_id = uuid.uuid4()
    open_log(organization_id)
    add_records(organization_id, records, **payload)
    return organization_id


def add_records(organization_id: uuid.UUID, records: int, **payload: object) -> None:
    for number in range(records):
        told = {"name": "Zoë 🦊", "n": number, **payload} if number % 2 else None
        event = Event("test.happened", "command:1", "system:test", {"digest": "ab"}, told)
        append(organization_id=organization_id, now=NOW, events=[event])


def export(organization_id: uuid.UUID | None) -> list[bytes]:
    """Return the export's lines, the header first."""
    return list(export_lines(organization_id, now=NOW))


def anchor_of(organization_id: uuid.UUID | None) -> Anchor:
    """Return what an auditor would have noted."""
    head = get_head(organization_id)
    return Anchor(head.size, bytes(head.last_leaf).hex())


def verify(lines: list[bytes], anchor: Anchor | None) -> Report:
    return verify_export(io.BytesIO(b"".join(lines)), anchor)
