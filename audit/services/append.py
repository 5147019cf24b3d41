"""Append records to a log, in the same transaction, or the same statement, as what they record."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from audit.domain.record import SALT_BYTES, Event, Prepared, complete, leaf_hash, prepare
from audit.models import AuditEvent
from audit.selectors import PAYLOAD_COLUMN, LogRef, get_log
from core import canonical, db, fields, keys

USING = "default"
_CALL = (
    "SELECT seq, leaf FROM expacti_audit_append(%s, ARRAY[{guards}]::bigint[], %s::uuid[], %s::text[],"
    " %s::text[], %s::text[], %s::timestamptz, %s::text[], %s::text[], %s::bytea[], %s::bytea[])"
)


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a record landed."""

    seq: int
    leaf: bytes


def append(
    *,
    organization_id: UUID | None,
    now: datetime,
    events: Sequence[Event],
    writes: Sequence[db.Write] = (),
) -> tuple[Appended, ...]:
    """Run `writes` and append `events`, together or not at all.

    On PostgreSQL that is one statement, so one round trip and, outside a transaction, its own
    commit. A compare-and-set is a write with a WHERE: when a write touches no row nothing is
    appended and the answer is empty; several writes then need the caller's `atomic` block, which
    has to be rolled back.

    The head row is locked until the commit, so this is a transaction's last statement.

    Raises:
        canonical.CanonicalError: a fact or payload without one canonical form.
        django.db.Error: the database refused; the caller's action fails with it.
    """
    log = get_log(organization_id)
    mac_key = keys.derive("audit-mac", log.origin)
    prepared = [
        prepare(event, log=log.origin, mac_key=mac_key, now=now, salt=secrets.token_bytes(SALT_BYTES))
        for event in events
    ]
    if connections[USING].vendor == "postgresql":
        return _append_in_database(log, prepared, writes)
    return _append_here(log, prepared, writes)


def _sealed(item: Prepared) -> bytes | None:
    return None if item.payload is None else fields.encrypt(item.payload, column=PAYLOAD_COLUMN)


def _append_in_database(
    log: LogRef, prepared: Sequence[Prepared], writes: Sequence[db.Write]
) -> tuple[Appended, ...]:
    names = [f"w{number}" for number in range(len(writes))]
    parts = [
        f"{name} AS ({write.sql} RETURNING 1)" for name, write in zip(names, writes, strict=True)
    ]
    guards = ", ".join(f"(SELECT count(*) FROM {name})" for name in names)  # noqa: S608 - our own names
    # The text is Django's own compiled statements; every value is a parameter.
    sql = (f"WITH {', '.join(parts)} " if parts else "") + _CALL.format(guards=guards)
    params: list[Any] = [value for write in writes for value in write.params]
    params += [
        log.id,
        [item.event.event_id for item in prepared],
        [item.event.type for item in prepared],
        [item.event.obj for item in prepared],
        [item.event.actor for item in prepared],
        prepared[0].ts,
        [item.before for item in prepared],
        [item.after for item in prepared],
        [item.salt for item in prepared],
        [_sealed(item) for item in prepared],
    ]
    with connections[USING].cursor() as cursor:
        cursor.execute(sql, params)
        return tuple(Appended(seq, bytes(leaf)) for seq, leaf in cursor.fetchall())


def _append_here(
    log: LogRef, prepared: Sequence[Prepared], writes: Sequence[db.Write]
) -> tuple[Appended, ...]:
    with transaction.atomic(using=USING), connections[USING].cursor() as cursor:
        for write in writes:
            if not db.execute(write, using=USING):
                return ()
        cursor.execute("SELECT size, last_leaf FROM audit_log WHERE id = %s", [log.id.hex])
        size, prev = cursor.fetchone()
        appended = []
        for seq, item in enumerate(prepared, start=size):
            raw = complete(item, prev=bytes(prev), seq=seq)
            prev = leaf_hash(raw.encode())
            _insert_record(log, item, seq, raw, prev)
            cursor.execute(
                "UPDATE audit_log SET size = %s, last_leaf = %s WHERE id = %s",
                [seq + 1, prev, log.id.hex],
            )
            appended.append(Appended(seq, prev))
    return tuple(appended)


def _insert_record(log: LogRef, item: Prepared, seq: int, raw: str, leaf: bytes) -> None:
    payload = None if item.payload is None else canonical.loads(item.payload)
    row = AuditEvent(
        event_id=item.event.event_id,
        log_id=log.id,
        seq=seq,
        ts=item.ts,
        type=item.event.type,
        obj=item.event.obj,
        actor=item.event.actor,
        raw=raw,
        leaf_hash=leaf,
        salt=item.salt,
        payload=payload,
    )
    db.execute(db.insert(row, using=USING), using=USING)
