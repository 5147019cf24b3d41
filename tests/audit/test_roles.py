"""Attack 10: what the serving role tries against the log on PostgreSQL."""

from __future__ import annotations

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from audit.models import AuditEvent
from audit.selectors import get_head
from tests.audit.exports import anchor_of, export, make_log, verify
from tests.support.postgres import RUNTIME_ROLE

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.postgres,
]
DENIED = ("42501", "42809", "0A000", "42P17", "42883", "55P03")
STATEMENTS = [
    "UPDATE audit_event SET raw = 'x'",
    "UPDATE audit_event SET payload = NULL, salt = NULL",
    "UPDATE audit_event SET type = type WHERE false",
    "DELETE FROM audit_event",
    "DELETE FROM audit_event WHERE false",
    "TRUNCATE audit_event",
    "TRUNCATE audit_log CASCADE",
    "INSERT INTO audit_event SELECT * FROM audit_event",
    "INSERT INTO audit_event SELECT * FROM audit_event ON CONFLICT (event_id) DO UPDATE SET raw = 'x'",
    "INSERT INTO audit_event SELECT * FROM audit_event ON CONFLICT DO NOTHING",
    "MERGE INTO audit_event e USING audit_event f ON e.event_id = f.event_id WHEN MATCHED THEN DELETE",
    "UPDATE audit_log SET size = 0",
    "UPDATE audit_log SET size = size + 1",
    "DELETE FROM audit_log",
    "INSERT INTO audit_log SELECT * FROM audit_log",
    "SELECT * FROM audit_event FOR UPDATE",
    "SELECT * FROM audit_log FOR UPDATE",
    "LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE audit_event DISABLE TRIGGER audit_event_immutable",
    "ALTER TABLE audit_event DISABLE TRIGGER USER",
    "ALTER TABLE audit_event OWNER TO expacti_app",
    "ALTER TABLE audit_event RENAME TO x",
    "ALTER TABLE audit_event DROP COLUMN raw",
    "ALTER TABLE audit_event ADD COLUMN x int",
    "DROP TABLE audit_event",
    "DROP TRIGGER audit_event_immutable ON audit_event",
    "CREATE TRIGGER x BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION expacti_audit_refuse()",
    "CREATE RULE x AS ON SELECT TO audit_event DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "SET LOCAL session_replication_role = replica",
    "DROP FUNCTION expacti_audit_append",
    "ALTER FUNCTION expacti_audit_append OWNER TO expacti_app",
    "CREATE OR REPLACE FUNCTION expacti_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE x (y int)",
    "CREATE SCHEMA x",
    "SET ROLE expacti_audit",
    "SET SESSION AUTHORIZATION postgres",
    "SET ROLE postgres",
    "ALTER ROLE expacti_app SUPERUSER",
    "COPY audit_event TO PROGRAM 'cat'",
    "SELECT lo_import('/etc/passwd')",
    "DO $$ BEGIN EXECUTE 'DELETE FROM audit_event'; END $$",
]  # fmt: skip


@pytest.fixture
def log() -> uuid.UUID:
    return make_log()


def test_the_tests_run_as_the_serving_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, session_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        )
        assert cursor.fetchone() == (RUNTIME_ROLE, RUNTIME_ROLE, False)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_attack_10_denied(log: uuid.UUID, statement: str) -> None:
    before = list(AuditEvent.objects.order_by("seq").values_list("raw", "leaf_hash"))
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert getattr(refused.value.__cause__, "sqlstate", None) in DENIED, refused.value
    assert list(AuditEvent.objects.order_by("seq").values_list("raw", "leaf_hash")) == before
    assert verify(export(log), anchor_of(log)).exit_code == 0


def test_attack_10_a_temporary_table_does_not_stand_in(log: uuid.UUID) -> None:
    """The functions' search_path names pg_temp last, so a role that may make temporary tables gains nothing."""
    from tests.audit.exports import add_records

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE audit_log (LIKE audit_log)")
        cursor.execute("SET LOCAL search_path = public, pg_temp")
    add_records(log, 1)
    assert get_head(log).size == 4


@pytest.mark.parametrize("call", ["a log that is not there", "no records"])
def test_attack_10_the_append_function_with_odd_arguments(log: uuid.UUID, call: str) -> None:
    nothing = "ARRAY[]::{}[]"
    arguments = ", ".join(nothing.format(kind) for kind in ("uuid", "text", "text", "text"))
    more = ", ".join(nothing.format(kind) for kind in ("text", "text", "bytea", "bytea"))
    log_id = uuid.uuid4() if call.startswith("a log") else AuditEvent.objects.values_list("log_id", flat=True)[0]
    sql = f"SELECT * FROM expacti_audit_append(%s, ARRAY[]::bigint[], {arguments}, now(), {more})"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [log_id])
    except DatabaseError:
        pass
    assert get_head(log).size == 3
    assert verify(export(log), anchor_of(log)).exit_code == 0


def test_attack_10_rights_cannot_be_given_to_oneself() -> None:
    with connection.cursor() as cursor:
        cursor.execute("GRANT ALL ON audit_event, audit_log TO expacti_app")  # a warning, and nothing
        for table in ("audit_event", "audit_log"):
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
                cursor.execute("SELECT has_table_privilege(%s, %s)", [table, right])
                assert cursor.fetchone() == (False,), (table, right)
