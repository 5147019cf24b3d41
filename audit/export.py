"""Stream a log as docs/formats.md, section 3 says: the bytes as stored, with their payloads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from audit.models import AuditLog
from audit.selectors import get_head, iterate_stored
from core import canonical

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def export_lines(organization_id: UUID | None, *, now: datetime) -> Iterator[bytes]:
    """Yield the header and one line per record, each ending in a newline.

    The size is read once: records that come meanwhile are left to the next export.
    """
    head = get_head(organization_id)
    yield _header(head, now)
    for stored in iterate_stored(organization_id, size=head.size):
        payload = b"null" if stored.payload is None else stored.payload
        salt = b"null" if stored.salt is None else b'"' + stored.salt.hex().encode() + b'"'
        yield b'{"record":' + stored.raw + b',"payload":' + payload + b',"salt":' + salt + b"}\n"


def _header(head: AuditLog, now: datetime) -> bytes:
    organization = None if head.organization_id is None else str(head.organization_id)
    header = {
        "expacti_export": 1,
        "log": head.origin,
        "organization": organization,
        "size": head.size,
        "head": bytes(head.last_leaf).hex(),
        "exported_at": now.astimezone(UTC).strftime(TIME_FORMAT),
    }
    # `expacti_export` first, so that a program can tell the format from the first bytes.
    members = (f'"{name}":{canonical.dumps(value).decode()}' for name, value in header.items())
    return ("{" + ",".join(members) + "}\n").encode()
