"""Switch the test connections between the owner, who migrates, and the role that serves."""

from __future__ import annotations

from django.core.management import call_command
from django.db import connections

RUNTIME_ROLE = "expacti_app"
_owners: dict[str, str] = {}


def create_runtime_role() -> None:
    """Create the serving role once per cluster (several test processes may try)."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        try:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [RUNTIME_ROLE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {RUNTIME_ROLE} LOGIN")
        finally:
            cursor.execute("SELECT pg_advisory_unlock(42)")


def become_runtime_role() -> None:
    """Grant as production does, then connect as the serving role."""
    create_runtime_role()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(43)")
        call_command("setup_database_roles", runtime_role=RUNTIME_ROLE, verbosity=0)
        cursor.execute("SELECT pg_advisory_unlock(43)")
    for alias in connections:
        connection = connections[alias]
        connection.close()
        _owners[alias] = connection.settings_dict["USER"]
        connection.settings_dict["USER"] = RUNTIME_ROLE


def become_owner() -> None:
    """Undo, so that the test databases can be dropped."""
    for alias, owner in _owners.items():
        connections[alias].close()
        connections[alias].settings_dict["USER"] = owner


__all__ = ["RUNTIME_ROLE", "become_owner", "become_runtime_role"]
