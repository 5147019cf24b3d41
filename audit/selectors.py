"""Reads of the log, always of one log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Cast

from audit.domain.chain import Stored
from audit.domain.record import format_time
from audit.models import AuditEvent, AuditLog
from core import fields

STREAM_CHUNK = 2_000
PAYLOAD_COLUMN = "audit_event.payload"
# Stands for a payload that does not decrypt; it commits to nothing that a record could hold.
ALTERED = b"altered"


@dataclass(frozen=True, slots=True)
class LogRef:
    """A log's two unchanging names."""

    id: UUID
    origin: str


_refs: dict[UUID | None, LogRef] = {}


def get_log(organization_id: UUID | None) -> LogRef:
    """Return the log of an organization, or the instance log for None.

    Remembered per process: neither the id nor the origin of a log ever changes.

    Raises:
        AuditLog.DoesNotExist: no log was opened for it; then nothing can be recorded, nor done.
    """
    ref = _refs.get(organization_id)
    if ref is None:
        row = AuditLog.objects.only("id", "origin").get(organization_id=organization_id)
        ref = _refs[organization_id] = LogRef(row.id, row.origin)
    return ref


def get_head(organization_id: UUID | None) -> AuditLog:
    """Return the log's head row: its size and last leaf."""
    return AuditLog.objects.get(organization_id=organization_id)


def list_events(organization_id: UUID | None) -> QuerySet[AuditEvent]:
    """Return the log's records as a query, newest first."""
    return AuditEvent.objects.filter(log_id=get_log(organization_id).id).order_by("-seq")


def iterate_stored(organization_id: UUID | None, *, size: int | None = None) -> Iterator[Stored]:
    """Stream the whole log in order, at most `size` records, a chunk at a time."""
    rows = with_sealed_payload(list_events(organization_id).order_by("seq"))
    if size is not None:
        rows = rows.filter(seq__lt=size)
    names = ("raw", "salt", "sealed", "seq", "ts", "type", "obj", "actor", "event_id")
    values: Any = rows.values_list(*names)
    for raw, salt, payload, seq, ts, kind, obj, actor, event_id in values.iterator(chunk_size=STREAM_CHUNK):
        yield Stored(
            raw.encode("utf-8", "surrogatepass"),
            None if salt is None else bytes(salt),
            None if payload is None else open_payload(bytes(payload)),
            {
                "seq": seq,
                "ts": format_time(ts),
                "type": kind,
                "obj": obj,
                "actor": actor,
                "event_id": str(event_id),
            },
        )


def with_sealed_payload(rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    """Annotate the stored payload as `sealed`, undecrypted, in place of the field.

    One altered payload is then a finding about its record, and does not end a walk or a page.
    """
    return rows.defer("payload").annotate(sealed=Cast("payload", BinaryField()))


def open_payload(sealed: bytes) -> bytes:
    """Return the payload's canonical bytes, or `ALTERED`."""
    try:
        return fields.decrypt(sealed, column=PAYLOAD_COLUMN)
    except fields.DecryptionError:
        return ALTERED
