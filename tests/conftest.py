"""The databases of the tests: SQLite, or with TEST_DATABASE=postgres a real PostgreSQL and Redis.

On PostgreSQL the tests run as the serving role, not as the owner, so that a right that production
lacks is missing here too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections

from tests.support import postgres


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Make the test databases as the owner, then serve from them as the runtime role."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        if connections["default"].vendor == "postgresql":
            postgres.become_runtime_role()
    yield
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        if connections["default"].vendor == "postgresql":
            postgres.become_owner()
