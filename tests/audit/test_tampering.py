"""Attacks on an export and on the stored log. The verifier is the client's: no code of the server's."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from expacti_agent.verify import NOT_VERIFIABLE, TAMPERED, VERIFIED, Anchor, verify_export

from audit.domain.record import leaf_hash
from audit.models import AuditEvent
from audit.selectors import get_log
from core import canonical, db
from tests.accounts.cast import Cast, make_cast
from tests.audit.exports import NOW, add_records, anchor_of, export, make_log, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def log() -> uuid.UUID:
    return make_log()


def verify_stored(organization_id: uuid.UUID | None) -> tuple[int, str]:
    """Run the server's own verifier; return its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_audit", str(organization_id), stdout=out, stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


# --- exports ---------------------------------------------------------------------------------------


def test_control_untouched(log: uuid.UUID) -> None:
    assert verify(export(log), anchor_of(log)).exit_code == VERIFIED
    assert verify_stored(log)[0] == VERIFIED


def test_attack_6_without_an_anchor_never_verified(log: uuid.UUID) -> None:
    assert verify(export(log), None).exit_code == NOT_VERIFIABLE
    assert verify(export(log), Anchor(0, "0" * 64)).exit_code != VERIFIED


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80], ids=hex)
def test_attack_1_every_byte_of_an_export(log: uuid.UUID, flip: int) -> None:
    lines, anchor = export(log), anchor_of(log)
    whole = b"".join(lines)
    start = whole.index(b'"exported_at"')
    uncommitted = range(start, len(lines[0]))
    survivors = []
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= flip
        report = verify_export(io.BytesIO(bytes(changed)), anchor)
        if report.exit_code == VERIFIED and position not in uncommitted:
            survivors.append((position, whole[max(0, position - 20) : position + 20]))
    assert survivors == []


def test_attack_1_names_the_record(log: uuid.UUID) -> None:
    lines, anchor = export(log), anchor_of(log)
    for seq in range(3):
        broken = [*lines]
        broken[seq + 1] = broken[seq + 1].replace(b"test.happened", b"test.happenes")
        report = verify(broken, anchor)
        assert (report.exit_code, report.bad_seq) == (TAMPERED, seq)


REARRANGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "delete the first": lambda records: records[1:],
    "delete one inside": lambda records: records[:1] + records[2:],
    "delete the last": lambda records: records[:-1],
    "delete all": lambda _records: [],
    "swap": lambda records: [records[1], records[0], *records[2:]],
    "reverse": lambda records: records[::-1],
    "duplicate inside": lambda records: [records[0], *records],
    "duplicate the last": lambda records: [*records, records[-1]],
}


@pytest.mark.parametrize("how", REARRANGED)
@pytest.mark.parametrize("header_follows", [False, True])
def test_attack_2_records_rearranged(log: uuid.UUID, how: str, header_follows: bool) -> None:
    header, *records = export(log)
    changed = REARRANGED[how](records)
    if header_follows:
        header = _header_for(header, changed)
    assert verify([header, *changed], anchor_of(log)).exit_code == TAMPERED


def _record_bytes(line: bytes) -> bytes:
    return line[len(b'{"record":') : line.rindex(b',"payload":')]


def _header_for(header: bytes, records: list[bytes]) -> bytes:
    members = json.loads(header)
    genesis = hashlib.sha256(b"expacti/audit/genesis/1\n" + members["log"].encode()).hexdigest()
    members["size"] = len(records)
    members["head"] = hashlib.sha256(b"\x00" + _record_bytes(records[-1])).hexdigest() if records else genesis
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def _row_commitment(record: dict[str, Any]) -> str:
    """Compute docs/formats.md's `row`: whoever edits a record can do that, but not its `mac`."""
    facts = {name: value for name, value in record["facts"].items() if name not in {"row", "mac"}}
    bound = {"actor": record["actor"], "facts": facts, "pc": record["pc"], "ts": record["ts"]}
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"expacti/row/1\n" + text.encode()).hexdigest()


def _recompute(lines: list[bytes], edit: Callable[[int, dict[str, Any]], None]) -> list[bytes]:
    """Edit records and chain them anew, as somebody without the MAC key can."""
    header, *records = lines
    members = json.loads(header)
    prev = hashlib.sha256(b"expacti/audit/genesis/1\n" + members["log"].encode()).hexdigest()
    made = []
    for seq, line in enumerate(records):
        record = json.loads(_record_bytes(line))
        edit(seq, record)
        record["facts"]["row"] = _row_commitment(record)
        record["prev"], record["seq"] = prev, seq
        raw = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        prev = hashlib.sha256(b"\x00" + raw).hexdigest()
        made.append(b'{"record":' + raw + line[line.rindex(b',"payload":') :])
    return [_header_for(header, made), *made]


def _row(record: dict[str, Any]) -> str:
    facts = {name: value for name, value in record["facts"].items() if name not in {"row", "mac"}}
    bound = {"actor": record["actor"], "facts": facts, "pc": record["pc"], "ts": record["ts"]}
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"expacti/row/1\n" + text.encode()).hexdigest()


def test_attack_3_chain_recomputed(log: uuid.UUID) -> None:
    lines, anchor = export(log), anchor_of(log)

    def accuse(seq: int, record: dict[str, Any]) -> None:
        if seq == 1:
            record["actor"] = "user:somebody-else"
            record["facts"]["row"] = _row(record)  # everybody can compute it; the MAC over it nobody can

    untouched = _recompute(lines, lambda _seq, _record: None)
    assert verify(untouched, anchor).exit_code == VERIFIED
    forged = _recompute(lines, accuse)
    assert verify(forged, None).exit_code == NOT_VERIFIABLE
    report = verify(forged, anchor)
    assert (report.exit_code, report.bad_seq) == (TAMPERED, 2)


def test_attack_3_recomputed_before_the_anchor_too(log: uuid.UUID) -> None:
    noted = anchor_of(log)
    add_records(log, 2)
    forged = _recompute(export(log), lambda seq, record: record.update(type="x") if seq == 0 else None)
    assert verify(forged, noted).exit_code == TAMPERED


def test_attack_4_tail_cut_off_before_the_noted_head(log: uuid.UUID) -> None:
    header, *records = export(log)
    cut = records[:-1]
    assert verify([_header_for(header, cut), *cut], anchor_of(log)).exit_code == TAMPERED


def test_attack_7_another_logs_records(log: uuid.UUID) -> None:
    other = make_log()
    header, *own = export(log)
    foreign = export(other)[1:]
    for spliced in ([*own, foreign[-1]], [foreign[0], *own[1:]], foreign):
        for head in (header, _header_for(header, spliced)):
            assert verify([head, *spliced], anchor_of(log)).exit_code == TAMPERED
    assert verify(export(other), anchor_of(log)).exit_code != VERIFIED


def test_attack_7_recomputed_into_the_chain_only_the_server_notices(log: uuid.UUID) -> None:
    """Re-labelled and chained anew the export is consistent: the anchor, and the MAC, are not."""
    other = make_log()
    header, *own = export(log)
    name = json.loads(header)["log"]
    spliced = _recompute([header, *own, *export(other)[1:]], lambda _seq, record: record.update(log=name))
    assert verify(spliced, None).exit_code == NOT_VERIFIABLE
    # The anchor covers what was noted; what is appended after it is said to be unanchored.
    assert "not anchored" in verify(spliced, anchor_of(log)).message


def test_attack_14_payload_dropped_from_the_export(log: uuid.UUID) -> None:
    header, *records = export(log)
    at = next(number for number, line in enumerate(records) if b'"salt":"' in line)
    records[at] = records[at][: records[at].rindex(b',"payload":')] + b',"payload":null,"salt":null}\n'
    report = verify([header, *records], anchor_of(log))
    assert (report.exit_code, report.bad_seq) == (TAMPERED, at)


# --- the stored log: somebody with the database file -----------------------------------------------


@pytest.fixture
def unguarded(log: uuid.UUID) -> uuid.UUID:
    """A log without its triggers. On PostgreSQL the serving role cannot: see test_roles.py."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")
    return log


def event(organization_id: uuid.UUID, seq: int) -> AuditEvent:
    return AuditEvent.objects.defer("payload").get(log_id=get_log(organization_id).id, seq=seq)


def rewrite(row: AuditEvent, **columns: Any) -> None:
    names = ", ".join(f"{name} = %s" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE audit_event SET {names} WHERE event_id = %s",
            [*columns.values(), db.adapt_uuid(row.event_id)],
        )
        assert cursor.rowcount == 1


EDITS: dict[str, Callable[[dict[str, Any]], None]] = {
    "facts": lambda record: record["facts"].update(digest="cd"),
    "actor": lambda record: record.update(actor="user:somebody-else"),
    "type": lambda record: record.update(type="command.approved"),
    "obj": lambda record: record.update(obj="command:2"),
    "ts": lambda record: record.update(ts="2026-11-23T06:00:00.000000Z"),
    "pc": lambda record: record.update(pc="0" * 64),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("member", EDITS)
def test_attack_3_stored_chain_recomputed_fails_by_its_macs(unguarded: uuid.UUID, member: str) -> None:
    prev = None
    for seq in range(3):
        row = event(unguarded, seq)
        record = canonical.loads(row.raw)
        if seq == 0:
            EDITS[member](record)
            record["facts"]["row"] = _row_commitment(record)
        if prev is not None:
            record["prev"] = prev.hex()
        raw = canonical.dumps(record)
        prev = leaf_hash(raw)
        rewrite(row, raw=raw.decode(), leaf_hash=prev)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_log SET last_leaf = %s WHERE organization_id = %s", [prev, unguarded.hex])
    code, said = verify_stored(unguarded)
    assert code == TAMPERED
    assert "seq 0: tampered: its MAC does not hold" in said
    assert "seq 1" not in said


@pytest.mark.sqlite
def test_attack_2_stored_record_deleted(unguarded: uuid.UUID) -> None:
    for seq in (2, 0):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_event WHERE event_id = %s", [event(unguarded, seq).event_id.hex])
        assert verify_stored(unguarded)[0] == TAMPERED


@pytest.mark.sqlite
def test_attack_1_stored_column_beside_the_bytes(unguarded: uuid.UUID) -> None:
    """The other columns are copies to search by: verification reads the bytes."""
    rewrite(event(unguarded, 0), raw=event(unguarded, 0).raw.replace("ab", "ac"))
    assert verify_stored(unguarded)[0] == TAMPERED


@pytest.mark.sqlite
def test_attack_14_payload_deleted_raw(unguarded: uuid.UUID) -> None:
    rewrite(event(unguarded, 1), payload=None, salt=None)
    code, said = verify_stored(unguarded)
    assert (code, "its payload is gone" in said) == (TAMPERED, True)
    assert verify(export(unguarded), anchor_of(unguarded)).exit_code == TAMPERED


def only_payload(organization_id: uuid.UUID) -> bytes:
    with connection.cursor() as cursor:
        log_id = db.adapt_uuid(get_log(organization_id).id)
        cursor.execute("SELECT payload FROM audit_event WHERE log_id = %s AND seq = 1", [log_id])
        return bytes(cursor.fetchone()[0])


@pytest.mark.sqlite
@pytest.mark.parametrize("which", ["garbage", "another record's", "in clear"])
def test_stored_payload_altered(unguarded: uuid.UUID, which: str) -> None:
    foreign = only_payload(make_log(name="somebody else"))
    payload = {"garbage": b"\x01\x01" + b"\0" * 50, "another record's": foreign, "in clear": b'{"name":"x"}'}[which]
    rewrite(event(unguarded, 1), payload=payload)
    code, said = verify_stored(unguarded)
    assert (code, "seq 1: tampered" in said) == (TAMPERED, True)
    report = verify(export(unguarded), anchor_of(unguarded))
    assert (report.exit_code, report.bad_seq) == (TAMPERED, 1)


@pytest.mark.sqlite
def test_altered_payload_still_renders() -> None:
    cast: Cast = make_cast(NOW)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_event_no_update")
        cursor.execute("UPDATE audit_event SET payload = %s WHERE payload IS NOT NULL", [b"\x01\x01" + b"\0" * 50])
        assert cursor.rowcount > 0
    browser: Client = cast.client("erin")
    assert browser.get("/audit/").status_code == 200
    listed = browser.get("/api/v1/audit/events/")
    assert listed.status_code == 200
    assert any("altered" in (row["payload"] or {}) for row in listed.json()["results"])
    lines = b"".join(browser.get("/api/v1/audit/export/").streaming_content).splitlines(keepends=True)
    assert verify(lines, anchor_of(cast.first.id)).exit_code == TAMPERED


@pytest.mark.sqlite
def test_a_record_that_does_not_parse_still_renders() -> None:
    cast = make_cast(NOW)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_event_no_update")
        cursor.execute("UPDATE audit_event SET raw = '{' WHERE type = 'agent.created'")
    browser = cast.client("erin")
    assert browser.get("/audit/").status_code == 200
    assert browser.get("/api/v1/audit/events/").status_code == 200
    assert verify_stored(cast.first.id)[0] == TAMPERED
