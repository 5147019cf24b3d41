"""Attacks 1, 2, 3, 6, 7, 14, 15 against an export."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from expacti_agent.cli import _main
from expacti_agent.verify import Anchor, Report, verify_export
from standin import ORGANIZATION, Json, jcs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG = f"expacti.example/o/{ORGANIZATION}/5f3a"


class Export:
    """Writes a log as the server does, without sharing code with the verifier."""

    def __init__(self, log: str = LOG) -> None:
        self.log = log
        self.prev = hashlib.sha256(f"expacti/audit/genesis/1\n{log}".encode()).hexdigest()
        self.lines: list[bytes] = []
        self.heads = [self.prev]

    def add(
        self,
        payload: Json | None = None,
        kind: str = "command.submitted",
        facts: Json | None = None,
        **changes: Any,
    ) -> str:
        salt = hashlib.sha256(str(len(self.lines)).encode()).digest()
        event_id = str(uuid.uuid4())
        known = {"version": 1, **(facts or {})}
        actor = changes.pop("actor", f"agent:{uuid.uuid4()}")
        ts = "2030-01-02T03:04:05.123456Z"
        pc = hmac.new(salt, jcs(payload), "sha256").hexdigest() if payload else None
        bound = {"actor": actor, "facts": known, "pc": pc, "ts": ts}
        row = hashlib.sha256(b"expacti/row/1\n" + jcs(bound)).hexdigest()
        record = {
            "actor": actor,
            "event_id": event_id,
            "facts": {**known, "row": row, "mac": "0" * 64},
            "log": self.log,
            "obj": f"command:{uuid.uuid4()}",
            "pc": pc,
            "prev": self.prev,
            "seq": len(self.lines),
            "t": "expacti.audit/1",
            "ts": ts,
            "type": kind,
            **changes,
        }
        self.raw(jcs(record), jcs(payload) if payload else b"null", salt if payload else None)
        return event_id

    def raw(self, record: bytes, payload: bytes = b"null", salt: bytes | None = None) -> None:
        shown = b'"%s"' % salt.hex().encode() if salt else b"null"
        self.lines.append(b'{"record":%s,"payload":%s,"salt":%s}\n' % (record, payload, shown))
        self.prev = hashlib.sha256(b"\0" + record).hexdigest()
        self.heads.append(self.prev)

    def header(self, **changes: Any) -> bytes:
        header = {
            "expacti_export": 1,
            "log": self.log,
            "organization": self.log.split("/")[2] if "/o/" in self.log else None,
            "size": len(self.lines),
            "head": self.prev,
            "exported_at": "2030-01-02T03:04:06Z",
            **changes,
        }
        return json.dumps(header, separators=(",", ":")).encode() + b"\n"

    def data(self, **changes: Any) -> bytes:
        return self.header(**changes) + b"".join(self.lines)

    def anchor(self, size: int | None = None) -> Anchor:
        at = len(self.lines) if size is None else size
        return Anchor(at, self.heads[at])


def sample(count: int = 5) -> Export:
    export = Export()
    for number in range(count):
        export.add({"text": f"rm -rf ünder/{number}", "n": number} if number % 2 else None)
    return export


def check(data: bytes, anchor: Anchor | None = None) -> Report:
    return verify_export(io.BytesIO(data), anchor)


def test_verified_only_with_an_anchor() -> None:
    export = sample()
    assert check(export.data(), export.anchor()).exit_code == 0
    alone = check(export.data())
    assert alone.exit_code == 2
    assert f"5:{export.prev}" in alone.message


def test_an_earlier_head_covers_a_part() -> None:
    export = sample()
    report = check(export.data(), export.anchor(3))
    assert (report.exit_code, report.anchored) == (0, 3)
    assert "the last 2 are consistent but not anchored" in report.message
    assert check(export.data(), export.anchor(0)).exit_code == 2  # covers nothing


def test_empty_and_instance_logs() -> None:
    empty = Export()
    assert check(empty.data(), empty.anchor()).exit_code == 0
    assert check(empty.data()).exit_code == 2
    instance = Export("expacti.example/i/77aa")
    instance.add({"email": "x"}, kind="signin.failed", actor="anonymous:")
    assert check(instance.data(), instance.anchor()).exit_code == 0


def test_every_flipped_byte_is_found_at_its_record() -> None:
    """Attack 1."""
    export = sample(3)
    data, anchor = export.data(), export.anchor()
    header = len(export.header())
    starts = [header + sum(map(len, export.lines[:number])) for number in range(4)]
    for place in range(header, len(data) - 1):  # the last newline may be missing
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        report = check(flipped, anchor)
        seq = max(number for number in range(3) if starts[number] <= place)
        assert report.exit_code != 0, place
        version = data[place - 16 : place + 16].find(b"expacti.audit/1") >= 0
        assert report.exit_code == 1 or version, (place, report)
        assert report.bad_seq in (seq, None), (place, report)


def test_every_flipped_byte_of_the_header() -> None:
    export = sample(1)
    data, header = export.data(), export.header()
    free = header.index(b'"exported_at":"') + len(b'"exported_at":"')
    for place in range(len(header)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        code = check(flipped, export.anchor()).exit_code
        # Nothing signs the time of export: a changed digit there is the one thing not seen.
        assert code != 0 or free <= place < free + 20, (place, header[place])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: lines[:-1],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], *lines],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:2], b"\n", *lines[2:]],
        lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
        lambda lines: [lines[0].replace(b'{"record"', b'{ "record"'), *lines[1:]],
        lambda lines: [lines[0][:-2] + b',"x":1}\n', *lines[1:]],
    ],
)
def test_deleted_reordered_doubled(change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Attack 2."""
    export = sample()
    anchor, header = export.anchor(), export.header()
    assert check(header + b"".join(change(export.lines)), anchor).exit_code == 1


def test_recomputed_chain_against_an_anchor() -> None:
    """Attack 3."""
    honest, forged = sample(), sample()  # the event ids differ
    assert check(forged.data(), honest.anchor()).exit_code == 1
    assert check(forged.data(), honest.anchor(3)).bad_seq == 2


def test_cut_off_with_a_new_header() -> None:
    export = sample()
    anchor = export.anchor()
    export.lines.pop()
    export.prev = export.heads[4]
    assert check(export.data(), anchor).exit_code == 1


def test_records_of_another_organization() -> None:
    """Attack 7."""
    export = Export()
    export.add(log=LOG.replace(ORGANIZATION, str(uuid.uuid4())))
    assert check(export.data(), export.anchor()).exit_code == 1
    assert check(export.data(organization=str(uuid.uuid4())), export.anchor()).exit_code == 1


def test_erased_and_deleted_payloads() -> None:
    """Attack 14."""
    export = Export()
    event = export.add({"text": "secret"})
    line = export.lines[0]
    export.lines[0] = line[: line.index(b',"payload"')] + b',"payload":null,"salt":null}\n'
    raw = check(export.data(), export.anchor())
    assert (raw.exit_code, raw.bad_seq) == (1, 0)
    export.add(kind="payload.erased", facts={"erased": event})
    report = check(export.data(), export.anchor())
    assert (report.exit_code, report.erased) == (0, 1)


def test_an_erasure_of_something_else_or_before_the_fact() -> None:
    export = Export()
    export.add(kind="payload.erased", facts={"erased": "later"})
    export.add({"text": "secret"}, event_id="later")
    line = export.lines[1]
    export.lines[1] = line[: line.index(b',"payload"')] + b',"payload":null,"salt":null}\n'
    assert check(export.data(), export.anchor()).exit_code == 1


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda line: line.replace(old, new)


@pytest.mark.parametrize(
    "change",
    [
        swap(b'"seq":0', b'"seq":0,"seq":0'),
        swap(b'"seq":0', b'"seq":0.0'),
        swap(b'"seq":0', b'"seq":false'),
        swap(b'"seq":0', b'"seq":9007199254740992'),
        swap(b'"version":1', b'"version":NaN'),
        swap(b'"version":1', b'"version":2'),  # facts that `row` does not commit to
        swap(b'"mac":"', b'"mac":"\\ud800'),
        swap(b'"actor"', b'"zctor"'),
        swap(b"03:04:05.123456Z", b"03:04:05Z"),
        swap(b"{", b"[" * 100_000),
    ],
)
def test_records_that_no_writer_writes(change: Callable[[bytes], bytes]) -> None:
    """Attack 15: even with the chain recomputed over them."""
    source = Export()
    source.add(None)
    line = change(source.lines[0])
    record = line[len(b'{"record":') : line.index(b',"payload"')]
    export = Export()
    export.raw(record)
    assert check(export.data(), export.anchor()).exit_code == 1


@pytest.mark.parametrize("extra", ["payload", "salt", "both"])
def test_payloads_without_a_commitment(extra: str) -> None:
    export = Export()
    export.add(None)
    payload = b"{}" if extra != "salt" else b"null"
    salt = b"null" if extra == "payload" else b'"' + b"0" * 64 + b'"'
    export.lines[0] = export.lines[0].replace(
        b'"payload":null,"salt":null', b'"payload":%s,"salt":%s' % (payload, salt)
    )
    assert check(export.data(), export.anchor()).exit_code == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"hello", b"{}", b'{"expacti_export":2}\n'])
def test_what_is_no_export_is_not_verifiable(data: bytes) -> None:
    assert check(data).exit_code == 2


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = sample()
    path = tmp_path / "export.jsonl"
    path.write_bytes(export.data())
    head = f"5:{export.prev}"
    assert _main(["verify", str(path), "--head", head]) == 0
    assert _main(["verify", str(path)]) == 2
    assert _main(["verify", str(path), "--head", "nonsense"]) == 2
    assert _main(["verify", str(tmp_path / "absent")]) == 2
    path.write_bytes(export.data().replace(b"rm -rf", b"ls -la", 1))
    capsys.readouterr()
    assert _main(["verify", str(path), "--head", head, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["bad_seq"] == 1
