"""What the timeline and the API ask of a log: filters, pages, and a record in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit.models import AuditEvent
from audit.selectors import ALTERED, list_events, open_payload, with_sealed_payload
from core import canonical, pagination

MAX_TEXT_CHARS = 64


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which records; empty leaves a criterion out. `obj` and `actor` match a whole id or its UUID."""

    type: str = ""
    obj: str = ""
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None


KINDS = (
    "command",
    "queue",
    "whitelist",
    "agent",
    "key",
    "membership",
    "organization",
    "user",
    "rule",
    "policy",
    "system",
)


def find_events(organization_id: UUID, wanted: EventFilter) -> QuerySet[AuditEvent]:
    """Return the matching records, newest first."""
    rows = list_events(organization_id)
    if wanted.type:
        rows = rows.filter(type=_clean(wanted.type))
    if wanted.obj:
        rows = rows.filter(obj__in=_spellings(wanted.obj))
    if wanted.actor:
        rows = rows.filter(actor__in=_spellings(wanted.actor))
    if wanted.since:
        rows = rows.filter(ts__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(ts__lt=wanted.until)
    return rows


def page_events(
    rows: QuerySet[AuditEvent], *, scope: str, cursor: str | None, limit: int
) -> tuple[list[AuditEvent], str | None]:
    """Cut one page; return it with the next page's cursor."""
    if cursor:
        (seq,) = pagination.decode(scope, cursor)
        rows = rows.filter(seq__lt=seq)
    page = list(with_sealed_payload(rows)[: limit + 1])
    if len(page) <= limit:
        return page, None
    return page[:limit], pagination.encode(scope, [page[limit - 1].seq])


def record_of(row: AuditEvent) -> dict[str, Any]:
    """Return the stored record as an object; empty when its bytes do not parse."""
    try:
        record = canonical.loads(row.raw)
    except canonical.CanonicalError:
        return {}
    return record if isinstance(record, dict) else {}


def payload_of(row: AuditEvent) -> Mapping[str, Any] | None:
    """Return the payload, None where there is none; a payload that was altered says so."""
    if row.sealed is None:  # type: ignore[attr-defined]  # annotated by with_sealed_payload
        return None
    opened = open_payload(bytes(row.sealed))  # type: ignore[attr-defined]
    if opened == ALTERED:
        return {"altered": "this payload does not decrypt: it was changed in the database"}
    payload = canonical.loads(opened)
    return payload if isinstance(payload, dict) else None


def _clean(text: str) -> str:
    # PostgreSQL's text holds no NUL: such a filter matches nothing, as it should.
    return text.strip()[:MAX_TEXT_CHARS].replace("\x00", "\ufffd")


def _spellings(text: str) -> list[str]:
    text = _clean(text)
    return [text] if ":" in text else [f"{kind}:{text}" for kind in KINDS]
