"""The databases of the tests: SQLite, or with TEST_DATABASE=postgres a real PostgreSQL and Redis.

On PostgreSQL the tests run as the serving role, not as the owner, so that a right that production
lacks is missing here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.support import postgres


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Make the test databases as the owner, then serve from them as the runtime role."""
    on_postgres = connections["default"].vendor == "postgresql"
    if on_postgres:
        with django_db_blocker.unblock():
            postgres.become_runtime_role()
    yield
    if on_postgres:
        with django_db_blocker.unblock():
            postgres.become_owner()
