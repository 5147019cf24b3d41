"""A PostgreSQL for the bench: migrated by its owner, used as the serving role, as in production."""

from __future__ import annotations

import os

from tests.support import servers


def prepare() -> None:
    """Start the servers, migrate, and leave the environment pointing at the serving role."""
    os.environ.update(servers.start())
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from tests.support import postgres

    for arguments in ({}, {"run_syncdb": True}):
        call_command("migrate", verbosity=0, **arguments)
        call_command("migrate", verbosity=0, database="whitelist", **arguments)
    postgres.create_runtime_role()
    call_command("setup_database_roles", runtime_role=postgres.RUNTIME_ROLE, verbosity=0)
    connections.close_all()
    for name in ("DATABASE_URL", "WHITELIST_DATABASE_URL"):
        os.environ[name] = os.environ[name].replace("postgres:@", f"{postgres.RUNTIME_ROLE}:@")
    os.environ["EXPACTI_DATABASE_ROLE"] = "runtime"
