"""Append records to a log, in the same transaction, or the same statement, as what they record."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connections, transaction

from audit.domain.record import SALT_BYTES, Event, Prepared, complete, leaf_hash, prepare
from audit.models import AuditEvent
from audit.selectors import PAYLOAD_COLUMN, LogRef, get_log
from core import canonical, db, fields, keys

USING = "default"
GUARD_SQLSTATE = "EX001"  # raised by our functions; the class is nobody else's
TS = 4  # the column of the moment in `_columns`
# `%b`: binary parameters, which the client neither escapes nor the server parses.
_ONE = (
    "SELECT seq, leaf FROM expacti_audit_append_one(%s, ARRAY[{guards}]::bigint[], %s, %s, %s, %s,"
    " %s::timestamptz, %s, %s, %b::bytea, %b::bytea)"
)
_MANY = (
    "SELECT seq, leaf FROM expacti_audit_append(%s, ARRAY[{guards}]::bigint[], %b::uuid[], %b::text[],"
    " %b::text[], %b::text[], %s::timestamptz, %b::text[], %b::text[], %b::bytea[], %b::bytea[])"
)


class GuardFailed(Exception):  # noqa: N818 - an outcome of concurrency
    """One of several writes touched no row. Nothing of the statement was done."""


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
    commit. A compare-and-set is a write with a WHERE: when the only write touches no row nothing is
    appended and the answer is empty. Of several writes each must touch a row, or none is done.

    The head row is locked until the commit, so this is a transaction's last statement.

    Raises:
        GuardFailed: one of several writes touched no row; none of them was done.
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


def _append_in_database(log: LogRef, prepared: Sequence[Prepared], writes: Sequence[db.Write]) -> tuple[Appended, ...]:
    names = [f"w{number}" for number in range(len(writes))]
    parts = [
        f"{name} AS ({write.sql}{'' if write.probe else ' RETURNING 1'})"
        for name, write in zip(names, writes, strict=True)
    ]
    guards = ", ".join(f"(SELECT count(*) FROM {name})" for name in names)  # noqa: S608 - our own names
    call, values = (_ONE, _columns(prepared[0])) if len(prepared) == 1 else (_MANY, _transposed(prepared))
    # The text is Django's own compiled statements; every value is a parameter.
    sql = (f"WITH {', '.join(parts)} " if parts else "") + call.format(guards=guards)
    params = [*(value for write in writes for value in write.params), log.id, *values]
    try:
        rows = db.fetch_prepared(sql, params, using=USING)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) == GUARD_SQLSTATE:
            raise GuardFailed from error
        raise
    return tuple(Appended(seq, bytes(leaf)) for seq, leaf in rows)


def _columns(item: Prepared) -> list[Any]:
    event = item.event
    names = [event.event_id, event.type, event.obj, event.actor]
    return [*names, item.ts, item.before, item.after, item.salt, _sealed(item)]


def _transposed(prepared: Sequence[Prepared]) -> list[Any]:
    columns = [list(column) for column in zip(*map(_columns, prepared), strict=True)]
    columns[TS] = prepared[0].ts  # type: ignore[call-overload]  # one moment for all
    return columns


def _append_here(log: LogRef, prepared: Sequence[Prepared], writes: Sequence[db.Write]) -> tuple[Appended, ...]:
    with transaction.atomic(using=USING), connections[USING].cursor() as cursor:
        for write in writes:
            if not db.execute(write, using=USING):
                if len(writes) > 1:
                    raise GuardFailed
                return ()
        cursor.execute("SELECT size, last_leaf FROM audit_log WHERE id = %s", [log.id.hex])
        size, prev = cursor.fetchone()
        appended = []
        for seq, item in enumerate(prepared, start=size):
            raw = complete(item, prev=bytes(prev), seq=seq)
            prev = leaf_hash(raw.encode())
            _insert_record(log, item, seq, raw, prev)
            cursor.execute(
                "UPDATE audit_log SET size = %s, prev_leaf = last_leaf, last_leaf = %s WHERE id = %s",
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
