"""The databases of the tests: SQLite, or with TEST_DATABASE=postgres a real PostgreSQL and Redis.

On PostgreSQL the tests run as the serving role, not as the owner, so that a right that production
lacks is missing here too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.support import postgres

ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"
OTHER_DATABASE = "sqlite" if ON_POSTGRES else "postgres"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other database: `make test` runs both."""
    other = [item for item in items if item.get_closest_marker(OTHER_DATABASE)]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name each skip; with CI=true a skip is a failure."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI") == "true":
        terminalreporter.write_line(f"{len(skipped)} skipped, and CI=true allows none", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run in CI when anything was skipped."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
