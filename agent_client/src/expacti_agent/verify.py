"""Offline verification of an audit export (docs/formats.md, section 3): line by line, no network.

The chain proves that nothing inside was changed; only an anchor from outside the export (a head
that the auditor noted earlier) proves that the chain is the real one. Without one: not verifiable.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Callable

from expacti_agent.audit_record import (
    ExportHeader,
    TamperedError,
    UnverifiableError,
    read_header,
    read_line,
)

if TYPE_CHECKING:
    from expacti_agent.audit_record import Entry

VERIFIED, TAMPERED, NOT_VERIFIABLE = 0, 1, 2
MAX_LINE = 64 * 1024 * 1024
PROGRESS_EVERY = 1000
_HEAD = re.compile(r"(0|[1-9][0-9]{0,15}):([0-9a-f]{64})\Z")
GENESIS = b"expacti/audit/genesis/1\n"


@dataclass(frozen=True)
class Anchor:
    """A head noted earlier: the leaf (hex) of the last of the first `size` records."""

    size: int
    head: str

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Read `SIZE:HEX`.

        Raises:
            ValueError: another form.
        """
        match = _HEAD.match(text)
        if match is None:
            raise ValueError("a head is SIZE:HEX, with 64 lower-case hex characters")
        return cls(int(match[1]), match[2])


@dataclass(frozen=True)
class Report:
    """The outcome. `exit_code` is 0 verified, 1 tampered, 2 not verifiable.

    `bad_seq` is the first record at fault; `size` and `head` how far the chain was read and the
    leaf there; `anchored` how many records the anchor covers; `erased` how many payloads were
    erased by the rules.
    """

    exit_code: int
    message: str
    log: str = ""
    size: int = 0
    head: str = ""
    anchored: int = 0
    erased: int = 0
    bad_seq: int | None = None


class _BrokenLinkError(TamperedError):
    """`prev` is not the leaf before: this record was changed, or the one before it."""


@dataclass
class _Chain:
    header: ExportHeader
    anchor: Anchor | None
    head: str
    size: int = 0
    anchored: bool = False
    missing: dict[str, int] = field(default_factory=dict)
    erased: int = 0

    def add(self, entry: Entry) -> None:
        record, seq = entry.record, self.size
        if type(record["seq"]) is not int or record["seq"] != seq:
            raise TamperedError(f"a record with seq {record['seq']!r} stands where {seq} belongs")
        if record["log"] != self.header.log:
            raise TamperedError("a record of another log")
        if record["prev"] != self.head:
            raise _BrokenLinkError("it does not follow from the record before (prev)")
        self._check_payload(entry, seq)
        self.head = _leaf(entry)
        self.size = seq + 1
        self.check_anchor()

    def check_anchor(self) -> None:
        if self.anchor is not None and self.anchor.size == self.size:
            if self.anchor.head != self.head:
                raise TamperedError(
                    f"the head at size {self.size} is not the one noted earlier",
                    max(0, self.size - 1),
                )
            self.anchored = True

    def _check_payload(self, entry: Entry, seq: int) -> None:
        commitment = entry.record["pc"]
        if commitment is None:
            if entry.payload is not None or entry.salt is not None:
                raise TamperedError("a payload that the record does not commit to")
        elif entry.payload is None and entry.salt is None:
            self.missing[str(entry.record["event_id"])] = seq
        elif entry.payload is None or entry.salt is None:
            raise TamperedError("a payload or a salt without the other")
        elif hmac.new(entry.salt, entry.payload, "sha256").hexdigest() != commitment:
            raise TamperedError("the payload is not the one that the record commits to (pc)")
        facts = entry.record["facts"]
        if entry.record["type"] == "payload.erased" and isinstance(facts, dict):
            gone = self.missing.pop(str(facts.get("erased")), None)
            self.erased += gone is not None

    def finish(self) -> None:
        if self.size != self.header.size:
            raise TamperedError(f"{self.size} records, but the header says {self.header.size}")
        if self.head != self.header.head:
            raise TamperedError("the last record is not the header's head", max(0, self.size - 1))
        if self.missing:
            seq = min(self.missing.values())
            raise TamperedError("a payload is gone and no record says that it was erased", seq)
        if self.anchor is not None and not self.anchored:
            raise TamperedError(
                f"only {self.size} records, but {self.anchor.size} were noted earlier: "
                "records were cut off, or the export is older than the noted head"
            )


def verify_export(
    file: IO[bytes],
    anchor: Anchor | None = None,
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> Report:
    """Verify an export, reading it once from the start.

    Args:
        file: the export, opened for reading bytes.
        anchor: a head that the auditor noted outside of the export.
        progress: told (records read, records in all) every thousand records.

    Returns:
        The outcome; nothing that the file holds makes this raise. `OSError` of reading does.
    """
    try:
        header = read_header(_line(file))
    except TamperedError as error:
        return Report(TAMPERED, f"tampered: in the header: {error}")
    except UnverifiableError as error:
        return Report(NOT_VERIFIABLE, f"not verifiable: {error}")
    genesis = hashlib.sha256(GENESIS + header.log.encode()).hexdigest()
    chain = _Chain(header, anchor, genesis)
    try:
        chain.check_anchor()
        _read_all(file, chain, progress)
        chain.finish()
    except TamperedError as error:
        seq = chain.size if error.seq is None else error.seq
        return _report(chain, TAMPERED, f"tampered at seq {seq}: {error}", seq)
    except UnverifiableError as error:
        return _report(chain, NOT_VERIFIABLE, f"not verifiable at seq {chain.size}: {error}")
    return _conclude(chain)


def _read_all(file: IO[bytes], chain: _Chain, progress: Callable[[int, int], None]) -> None:
    while True:
        line = _line(file)
        if not line:
            return
        entry = read_line(line)
        try:
            chain.add(entry)
        except _BrokenLinkError:
            follower = _line(file)
            after = read_line(follower).record["prev"] if follower else chain.header.head
            if after == _leaf(entry) and chain.size > 0:  # intact: so it is the one before
                raise TamperedError(
                    "the next record does not follow (prev)", chain.size - 1
                ) from None
            raise
        if chain.size % PROGRESS_EVERY == 0:
            progress(chain.size, chain.header.size)


def _leaf(entry: Entry) -> str:
    return hashlib.sha256(b"\x00" + entry.record_bytes).hexdigest()


def _line(file: IO[bytes]) -> bytes:
    line = file.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise UnverifiableError("a line of more than 64 MiB")
    return line


def _conclude(chain: _Chain) -> Report:
    covered = chain.anchor.size if chain.anchor else 0
    if chain.anchor is None or (covered == 0 and chain.size > 0):
        return _report(
            chain,
            NOT_VERIFIABLE,
            f"not verifiable: {chain.size} records, consistent in themselves, but anchored to "
            "nothing outside of the export; give a head that you noted earlier with --head, and "
            f"note this one for the next time: {chain.size}:{chain.head}",
        )
    rest = chain.size - covered
    tail = f"; the last {rest} are consistent but not anchored" if rest else ""
    return _report(
        chain,
        VERIFIED,
        f"verified: {covered} records up to the head noted earlier{tail}; "
        f"note for the next time: {chain.size}:{chain.head}",
    )


def _report(chain: _Chain, code: int, message: str, bad_seq: int | None = None) -> Report:
    return Report(
        exit_code=code,
        message=message,
        log=chain.header.log,
        size=chain.size,
        head=chain.head,
        anchored=chain.anchor.size if chain.anchor and chain.anchored else 0,
        erased=chain.erased,
        bad_seq=bad_seq,
    )
