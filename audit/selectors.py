"""Reads of the log, always of one log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from audit.domain.chain import Stored
from audit.models import AuditEvent, AuditLog
from core import canonical

STREAM_CHUNK = 2_000


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


def list_object_events(organization_id: UUID, obj: str) -> list[AuditEvent]:
    """Return every record about one object, oldest first."""
    return list(list_events(organization_id).filter(obj=obj).order_by("seq"))


def iterate_stored(organization_id: UUID | None, *, size: int | None = None) -> Iterator[Stored]:
    """Stream the whole log in order, at most `size` records, a chunk at a time."""
    rows = list_events(organization_id).order_by("seq").only("raw", "salt", "payload", "seq")
    if size is not None:
        rows = rows.filter(seq__lt=size)
    for row in rows.iterator(chunk_size=STREAM_CHUNK):
        salt = None if row.salt is None else bytes(row.salt)
        payload = None if row.payload is None else canonical.dumps(row.payload)
        yield Stored(row.raw.encode(), salt, payload)
