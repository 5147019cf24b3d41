"""One audit record: its canonical bytes, its leaf hash, its commitments.

The record's format, `expacti.audit/1`, can never change: bytes once hashed stay what they are. Keys
in this order: actor, event_id, facts, log, obj, pc, prev, seq, t, ts, type. `prev` and `seq` are
only known under the log's lock, so a record is prepared as the text before `prev` and the text
after `seq`; the database (or `complete`) puts the two values in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core import canonical, keys
from core.ids import uuid7

RECORD_TYPE = "expacti.audit/1"
LEAF_PREFIX = b"\x00"
GENESIS_PREFIX = b"expacti/audit/genesis/1\n"
ROW_PREFIX = b"expacti/row/1\n"
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `actor` and `obj` are opaque ids (`user:UUID`); names go into `payload`.

    `facts` is what the rules need to be replayed, is never erased and holds no personal data.
    `version` is the object's version after the event, 0 where the object has none.
    """

    type: str
    obj: str
    actor: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None
    version: int = 0
    event_id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record ready for the lock: `before + '"prev":"…","seq":N' + after` is its canonical text."""

    event: Event
    ts: datetime
    before: str
    after: str
    salt: bytes | None
    payload: bytes | None


def genesis(origin: str) -> bytes:
    """Return the 32 bytes that stand as `prev` in the record with seq 0."""
    return hashlib.sha256(GENESIS_PREFIX + origin.encode()).digest()


def leaf_hash(raw: bytes) -> bytes:
    """Return the RFC 9162 leaf hash of the record's stored bytes."""
    return hashlib.sha256(LEAF_PREFIX + raw).digest()


def payload_commitment(salt: bytes, payload: bytes) -> str:
    """Return `pc`: hex HMAC-SHA-256(salt, canonical payload)."""
    return keys.mac(salt, payload).hex()


def row_commitment(facts: Mapping[str, Any], *, actor: str, pc: str | None, ts: str) -> str:
    """Return `row`: hex SHA-256 over every fact but `row` and `mac`, and over who, when and the payload.

    The MAC covers `row`, so nothing of a record can be changed and the chain computed anew without the
    key; `log`, `prev` and `seq` are the chain's own.
    """
    rest = {name: value for name, value in facts.items() if name not in {"row", "mac"}}
    bound = {"actor": actor, "facts": rest, "pc": pc, "ts": ts}
    return hashlib.sha256(ROW_PREFIX + canonical.dumps(bound)).hexdigest()


def record_mac(key: bytes, *, event_id: str, obj: str, row: str, kind: str, version: int) -> str:
    """Return `mac`: hex HMAC over `{event_id, obj, row, type, version}`."""
    bound = {"event_id": event_id, "obj": obj, "row": row, "type": kind, "version": version}
    return keys.mac(key, canonical.dumps(bound)).hex()


def prepare(event: Event, *, log: str, mac_key: bytes, now: datetime, salt: bytes) -> Prepared:
    """Return the record's two canonical halves.

    Raises:
        canonical.CanonicalError: the facts or the payload hold a value without one canonical form.
    """
    payload = None if event.payload is None else canonical.dumps(event.payload)
    commitment = None if payload is None else payload_commitment(salt, payload)
    head = {
        "actor": event.actor,
        "event_id": str(event.event_id),
        "facts": _sealed_facts(event, mac_key, commitment, format_time(now)),
        "log": log,
        "obj": event.obj,
        "pc": commitment,
    }
    tail = {"t": RECORD_TYPE, "ts": format_time(now), "type": event.type}
    # Both halves are canonical, and every key of the first sorts before `prev` and `seq`, every key
    # of the second after: joined without their inner braces they are the canonical whole.
    before = canonical.dumps(head).decode()[:-1] + ","
    after = "," + canonical.dumps(tail).decode()[1:]
    stored_salt = None if payload is None else salt
    return Prepared(event, now, before, after, stored_salt, payload)


def complete(prepared: Prepared, *, prev: bytes, seq: int) -> str:
    """Return the canonical text; PostgreSQL's `expacti_audit_append` does the same."""
    return f'{prepared.before}"prev":"{prev.hex()}","seq":{seq}{prepared.after}'


def format_time(moment: datetime) -> str:
    """Return `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _sealed_facts(event: Event, mac_key: bytes, pc: str | None, ts: str) -> dict[str, Any]:
    facts: dict[str, Any] = {**event.facts, "version": event.version}
    facts["row"] = row_commitment(facts, actor=event.actor, pc=pc, ts=ts)
    facts["mac"] = record_mac(
        mac_key,
        event_id=str(event.event_id),
        obj=event.obj,
        row=facts["row"],
        kind=event.type,
        version=event.version,
    )
    return facts
