"""One line of an audit export, taken apart strictly."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from expacti_agent.canonical import CanonicalError, encode_unchecked, parse
from expacti_agent.digest import parse_time

FORMAT = "expacti.audit/1"
ROW = b"expacti/row/1\n"
RECORD_KEYS = frozenset(
    ("actor", "event_id", "facts", "log", "obj", "pc", "prev", "seq", "t", "ts", "type")
)
HEADER_KEYS = frozenset(("expacti_export", "log", "organization", "size", "head", "exported_at"))
_HEADER_START = b'{"expacti_export":'
_HEX64 = re.compile(r"[0-9a-f]{64}\Z")
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z", re.ASCII)
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LOG = re.compile(rf"[^/\s]+/(?:o/({_UUID})|i)/[^/\s]+\Z")
_TEXTS = ("actor", "event_id", "log", "obj", "prev", "t", "ts", "type")


class TamperedError(Exception):
    """The export is not what was written. `seq` is the record at fault, None for the current."""

    def __init__(self, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.seq = seq


class UnverifiableError(Exception):
    """Nothing can be said: not an export, or one of another version."""


@dataclass(frozen=True)
class ExportHeader:
    """The first line. `head` is hex; `organization` None for the instance log."""

    log: str
    organization: str | None
    size: int
    head: str


@dataclass(frozen=True)
class Entry:
    """A line whose bytes are exactly the canonical ones of what it says."""

    record: dict[str, object]
    record_bytes: bytes
    payload: bytes | None
    salt: bytes | None


def read_header(line: bytes) -> ExportHeader:
    """Read the first line.

    Raises:
        UnverifiableError: not an export of this version.
        TamperedError: an export whose header is damaged.
    """
    if not line.startswith(_HEADER_START):
        raise UnverifiableError("this is not an Expacti audit export")
    try:
        header = parse(line)
    except CanonicalError as error:
        raise TamperedError(str(error)) from None
    if not isinstance(header, dict) or header["expacti_export"] != 1:
        raise UnverifiableError("an export of another version; use a newer expacti")
    if set(header) != HEADER_KEYS:
        raise TamperedError("its members are not the agreed ones")
    log, size, head = header["log"], header["size"], header["head"]
    match = _LOG.match(log) if isinstance(log, str) else None
    if match is None or match[1] != header["organization"]:
        raise TamperedError("its log is not the organization's")
    if type(size) is not int or size < 0:
        raise TamperedError("its size is not a number")
    if not isinstance(head, str) or not _HEX64.match(head):
        raise TamperedError("its head is not a hash")
    try:
        parse_time(str(header["exported_at"]))
    except ValueError:
        raise TamperedError("its time is not a time") from None
    return ExportHeader(log=match[0], organization=match[1], size=size, head=head)


def read_line(line: bytes) -> Entry:
    """Take a line apart; the hashed bytes are verbatim those between the agreed words.

    The line is parsed and put together again: only if that gives the same bytes are the keys
    unique, the order right, the form canonical, and the record's bytes those returned.

    Raises:
        TamperedError: it is not exactly what a writer would have written.
    """
    try:
        data = parse(line)
        if not isinstance(data, dict) or set(data) != {"record", "payload", "salt"}:
            raise TamperedError("a line that is not a record")
        record, payload, salt = data["record"], data["payload"], data["salt"]
        parts = [encode_unchecked(value) for value in (record, payload, salt)]
    except CanonicalError as error:
        raise TamperedError(f"the line holds {error}") from None
    if line.rstrip(b"\n") != b'{"record":%b,"payload":%b,"salt":%b}' % tuple(parts):
        raise TamperedError("a line that is not in canonical form")
    if len(line) - len(line.rstrip(b"\n")) > 1:  # pragma: no cover - readline stops at the first
        raise TamperedError("an empty line")
    if salt is not None and (not isinstance(salt, str) or not _HEX64.match(salt)):
        raise TamperedError("a salt that is not 32 bytes")
    return Entry(
        record=_checked(record),
        record_bytes=parts[0],
        payload=None if payload is None else parts[1],
        salt=None if salt is None else bytes.fromhex(salt),
    )


def _checked(record: object) -> dict[str, object]:
    if not isinstance(record, dict) or set(record) != RECORD_KEYS:
        raise TamperedError("a record whose members are not the agreed ones")
    if record["t"] != FORMAT:
        raise UnverifiableError("a record of another version; use a newer expacti")
    for name in _TEXTS:
        if not isinstance(record[name], str):
            raise TamperedError(f"a record whose {name} is not text")
    if not _TS.match(record["ts"]):
        raise TamperedError("a record whose time is not a time")
    if record["pc"] is not None and not isinstance(record["pc"], str):
        raise TamperedError("a record whose payload commitment is not text")
    facts = record["facts"]
    if not isinstance(facts, dict) or type(facts.get("version")) is not int or "mac" not in facts:
        raise TamperedError("a record without facts")
    rest = {key: value for key, value in facts.items() if key not in ("row", "mac")}
    bound = {"actor": record["actor"], "facts": rest, "pc": record["pc"], "ts": record["ts"]}
    if hashlib.sha256(ROW + encode_unchecked(bound)).hexdigest() != facts.get("row"):
        raise TamperedError("facts that are not the ones committed to (row)")
    return record
