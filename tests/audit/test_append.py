"""The append path on whichever database the run uses."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from audit.domain.chain import verify_chain
from audit.models import AuditEvent
from audit.selectors import get_head, get_log, iterate_stored
from audit.services import Event, append, open_log
from core import canonical, keys

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


@pytest.fixture
def organization() -> uuid.UUID:
    organization_id = uuid.uuid4()
    open_log(organization_id)
    return organization_id


def write(organization: uuid.UUID, count: int = 1, **fields: object) -> None:
    events = [
        Event(type="test.happened", obj="command:1", actor="system:test", **fields)  # type: ignore[arg-type]
        for _ in range(count)
    ]
    append(organization_id=organization, now=NOW, events=events)


def report(organization: uuid.UUID):  # noqa: ANN201 - the domain's report
    log = get_log(organization)
    key = keys.derive("audit-mac", log.origin)
    return verify_chain(iterate_stored(organization), origin=log.origin, mac_key=key)


def test_chain_verifies(organization: uuid.UUID) -> None:
    write(organization, payload={"name": "Zoë 🦊"}, facts={"digest": "ab"})
    write(organization, count=3)
    found = report(organization)
    head = get_head(organization)
    assert found.faults == ()
    assert (found.size, found.head) == (4, bytes(head.last_leaf)) == (head.size, bytes(head.last_leaf))


def test_stored_bytes_are_canonical(organization: uuid.UUID) -> None:
    write(organization, payload={"z": 1, "a": "é"}, facts={"b": 1, "a": [1, None, True]})
    raw = AuditEvent.objects.get(log_id=get_log(organization).id).raw.encode()
    assert canonical.dumps(canonical.loads(raw)) == raw
    assert list(canonical.loads(raw)) == [
        "actor", "event_id", "facts", "log", "obj", "pc", "prev", "seq", "t", "ts", "type",
    ]  # fmt: skip


def test_payload_is_not_in_clear_in_the_database(organization: uuid.UUID) -> None:
    write(organization, payload={"text": "canary-5431"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT raw, payload FROM audit_event ORDER BY seq DESC")
        for raw, payload in cursor.fetchall():
            assert "canary-5431" not in raw
            assert b"canary-5431" not in bytes(payload or b"")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET raw = raw",
        "UPDATE audit_event SET type = 'x'",
        "DELETE FROM audit_event",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET size = 0",
    ],
)
def test_attack_10_11_rows_cannot_be_changed(organization: uuid.UUID, statement: str) -> None:
    write(organization)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_failed_append_fails_the_action(organization: uuid.UUID) -> None:
    with pytest.raises(canonical.CanonicalError):
        write(organization, facts={"ratio": 0.5})
    assert get_head(organization).size == 0
