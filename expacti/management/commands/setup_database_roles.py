"""Give the serving role what it needs, and nothing on the audit log but reading and appending."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections, transaction
from psycopg import sql

from expacti.env import Env

AUDIT_ROLE = "expacti_audit"
AUDIT_TABLES = ("audit_log", "audit_event")
AUDIT_FUNCTIONS = ("expacti_audit_append", "expacti_audit_append_one", "expacti_audit_open_log")


class Command(BaseCommand):
    """Run after `migrate`, as the owner. Does nothing on SQLite, and nothing twice."""

    help = "Set the owner of the audit log and the rights of the serving role (PostgreSQL)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--runtime-role", help="default: the user in DATABASE_URL")

    def handle(self, **options: Any) -> None:
        for alias in settings.DATABASES:
            if connections[alias].vendor != "postgresql":
                continue
            role = options["runtime_role"] or _runtime_role(alias)
            owner = connections[alias].settings_dict["USER"]
            if role == owner and alias != "default":
                continue  # the whitelist is bound to the log: one role may own and serve it
            with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                if role == owner or _is_member(cursor, role, owner):
                    raise CommandError(
                        f"{alias}: the serving role {role!r} has the owner's rights, so it could rewrite the audit"
                        " log. Remedy: set DATABASE_OWNER_URL to the owner and DATABASE_URL to a role of its own."
                    )
                _grant(cursor, role, audit=alias == "default")
            self.stdout.write(f"{alias}: rights of {role} are set")


def _is_member(cursor: Any, role: str, owner: str) -> bool:
    cursor.execute(
        "SELECT r.rolsuper OR pg_has_role(r.oid, o.oid, 'MEMBER') FROM pg_roles r, pg_roles o"
        " WHERE r.rolname = %s AND o.rolname = %s",
        [role, owner],
    )
    row = cursor.fetchone()
    return bool(row and row[0])


def _runtime_role(alias: str) -> str:
    name = "DATABASE_URL" if alias == "default" else "WHITELIST_DATABASE_URL"
    return str(Env().database(name)["USER"])


def _grant(cursor: Any, role: str, *, audit: bool) -> None:
    runtime, owner = sql.Identifier(role), sql.Identifier(AUDIT_ROLE)

    def run(text: str, **names: sql.Composable) -> None:
        cursor.execute(sql.SQL(text).format(runtime=runtime, owner=owner, **names))

    run("GRANT USAGE ON SCHEMA public TO {runtime}")
    run("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {runtime}")
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (name,) in cursor.fetchall():
        if name not in AUDIT_TABLES:
            run("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {runtime}", table=sql.Identifier(name))
    run("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {runtime}")
    if not audit:
        return
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [AUDIT_ROLE])
    if cursor.fetchone() is None:
        run("CREATE ROLE {owner} NOLOGIN")
    run("GRANT {owner} TO CURRENT_USER")
    run("GRANT USAGE, CREATE ON SCHEMA public TO {owner}")
    for name in AUDIT_TABLES:
        table = sql.Identifier(name)
        run("REVOKE ALL ON {table} FROM {runtime}, PUBLIC", table=table)
        run("ALTER TABLE {table} OWNER TO {owner}", table=table)
        run("GRANT SELECT ON {table} TO {runtime}", table=table)
    for name in AUDIT_FUNCTIONS:
        function = sql.Identifier(name)
        run("ALTER FUNCTION {function} OWNER TO {owner}", function=function)
        run("REVOKE ALL ON FUNCTION {function} FROM PUBLIC", function=function)
        run("GRANT EXECUTE ON FUNCTION {function} TO {runtime}", function=function)
    run("REVOKE CREATE ON SCHEMA public FROM {owner}")
