"""Check a run of audit records: bytes, chain, commitments, MACs. Pure; reads what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.domain.record import (
    RECORD_TYPE,
    genesis,
    leaf_hash,
    payload_commitment,
    record_mac,
    row_commitment,
)
from core import canonical, keys

RECORD_KEYS = frozenset(("actor", "event_id", "facts", "log", "obj", "pc", "prev", "seq", "t", "ts", "type"))


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as stored: `raw` bytes, and the payload (canonical bytes) with its salt, if kept."""

    raw: bytes
    salt: bytes | None
    payload: bytes | None
    columns: Mapping[str, Any] | None = None
    """The searchable copies beside `raw`, where the record comes from the database."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `kind` is `tampered` or `missing` (not verifiable)."""

    seq: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a walk over the chain found; `size` records read, `head` the last leaf (32 bytes)."""

    size: int
    head: bytes
    faults: tuple[Fault, ...]

    @property
    def tampered(self) -> bool:
        return any(fault.kind == "tampered" for fault in self.faults)

    @property
    def missing(self) -> bool:
        return any(fault.kind == "missing" for fault in self.faults)


def verify_chain(records: Iterable[Stored], *, origin: str, mac_key: bytes | None, max_faults: int = 20) -> ChainReport:
    """Walk the whole log from seq 0 and report what does not hold.

    The chain is followed by the bytes as stored. After `max_faults` the walk stops.
    """
    faults: list[Fault] = []
    absent: dict[str, int] = {}
    prev = genesis(origin)
    size = 0
    for size, stored in enumerate(records, start=1):
        seq = size - 1
        faults.extend(_record_faults(stored, seq, prev, origin, mac_key))
        _note_payload(stored, seq, absent)
        prev = leaf_hash(stored.raw)
        if len(faults) >= max_faults:
            break
    unexplained = "its payload is gone and no payload.erased record names it"
    faults.extend(Fault(seq, "tampered", unexplained) for seq in sorted(absent.values()))
    return ChainReport(size, prev, tuple(faults))


def _note_payload(stored: Stored, seq: int, absent: dict[str, int]) -> None:
    try:
        record = canonical.loads(stored.raw)
        if record["pc"] is not None and stored.payload is None:
            absent[record["event_id"]] = seq
        if record["type"] == "payload.erased":
            absent.pop(record["facts"].get("erased"), None)
    except (canonical.CanonicalError, KeyError, TypeError, AttributeError):
        return  # already reported as a fault of this record


def _record_faults(stored: Stored, seq: int, prev: bytes, origin: str, mac_key: bytes | None) -> Iterator[Fault]:
    try:
        record = canonical.loads(stored.raw)
        canonical_form = canonical.dumps(record)
    except canonical.CanonicalError as error:
        yield Fault(seq, "tampered", f"not a canonical record: {error}")
        return
    if not isinstance(record, dict) or record.keys() != RECORD_KEYS:
        yield Fault(seq, "tampered", "its keys are not those of a record")
        return
    reasons = (
        (canonical_form != stored.raw, "its bytes are not in canonical form"),
        (record["t"] != RECORD_TYPE, "its format is unknown"),
        (record["seq"] != seq, f"it says seq {record['seq']!r}"),
        (record["log"] != origin, "it belongs to another log"),
        (record["prev"] != prev.hex(), "prev is not the leaf of the record before it"),
    )
    yield from (Fault(seq, "tampered", reason) for wrong, reason in reasons if wrong)
    yield from _commitment_faults(record, stored, seq)
    for name, value in (stored.columns or {}).items():
        if record[name] != value:
            yield Fault(seq, "tampered", f"its column {name} is not what its bytes say")
    if mac_key is not None and not authentic(record, mac_key):
        yield Fault(seq, "tampered", "its MAC does not hold: it was not written by this server")


def _commitment_faults(record: dict[str, Any], stored: Stored, seq: int) -> Iterator[Fault]:
    if stored.payload is None:
        return
    if stored.salt is None or record["pc"] is None:
        yield Fault(seq, "tampered", "a payload without commitment or salt")
    elif not keys.equal(payload_commitment(stored.salt, stored.payload), str(record["pc"])):
        yield Fault(seq, "tampered", "its payload is not the one it commits to")


def authentic(record: dict[str, Any], mac_key: bytes) -> bool:
    """Tell whether the record's facts carry the row commitment and the MAC of this server."""
    facts = record.get("facts")
    if not isinstance(facts, dict):
        return False
    row, mac = facts.get("row"), facts.get("mac")
    if not isinstance(row, str) or not isinstance(mac, str):
        return False
    expected = record_mac(
        mac_key,
        event_id=record["event_id"],
        obj=record["obj"],
        row=row,
        kind=record["type"],
        version=facts.get("version", 0),
    )
    actual = row_commitment(facts, actor=record["actor"], pc=record["pc"], ts=record["ts"])
    return keys.equal(mac, expected) and keys.equal(row, actual)
