"""How many queries the hot paths cost. More rows must not mean more queries."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from approvals.selectors.grant_keys import get_grant_key
from tests.accounts.cast import Cast
from tests.approvals.factories import COMMANDS, NONCE, AgentClient, allow, decide_by_api, make_body, submit, vote

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])


class Counted:
    """Counts on both databases, transaction control aside: what SQLite needs in several statements
    is one on PostgreSQL, so each test says both.
    """

    def __enter__(self) -> Counted:
        self.captured = [CaptureQueriesContext(connections[alias]) for alias in ("default", "whitelist")]
        for capture in self.captured:
            capture.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        for capture in self.captured:
            capture.__exit__(*details)

    @property
    def statements(self) -> list[str]:
        control = ("SAVEPOINT", "RELEASE SAVEPOINT", "BEGIN", "COMMIT", "ROLLBACK")
        return [
            query["sql"]
            for capture in self.captured
            for query in capture.captured_queries
            if not query["sql"].startswith(control)
        ]

    def expect(self, *, sqlite: int, postgresql: int) -> None:
        most = {"sqlite": sqlite, "postgresql": postgresql}[connections["default"].vendor]
        assert len(self.statements) == most, "\n".join(text[:160] for text in self.statements)


@pytest.fixture
def warm(cast: Cast, agent: AgentClient) -> AgentClient:
    """An agent whose key's use was noted, whose log and rules are known, and a key to sign with."""
    allow(cast, "ls")
    agent.submit(make_body(cast.agent, "ls", release_nonce=NONCE))
    get_grant_key()
    return agent


def test_whitelisted_submission(cast: Cast, warm: AgentClient) -> None:
    body = make_body(cast.agent, "ls", release_nonce=NONCE)
    with Counted() as counted:
        assert "grant" in warm.submit(body).json()
    # key, queue with policy, rules again; then one statement for row, words, use and three records
    counted.expect(sqlite=14, postgresql=4)


def test_plain_submission(cast: Cast, warm: AgentClient) -> None:
    body = make_body(cast.agent, "make")
    with Counted() as counted:
        assert warm.submit(body).status_code == 201
    # key, queue with policy, quota; then one statement for row, words and record
    counted.expect(sqlite=8, postgresql=4)


def test_read(cast: Cast, warm: AgentClient) -> None:
    row = submit(cast, "make")
    with Counted() as counted:
        assert warm.get(f"{COMMANDS}{row.id}/").status_code == 200
    counted.expect(sqlite=3, postgresql=3)  # key, command with agent, its votes


def test_release(cast: Cast, warm: AgentClient) -> None:
    body = make_body(cast.agent, "make")
    warm.submit(body)
    decide_by_api(cast.client("bob"), body)
    with Counted() as counted:
        assert warm.release(body).status_code == 200
    assert len(counted.statements) <= 12


def make_commands(cast: Cast, count: int) -> None:
    for number in range(count):
        vote(cast, submit(cast, "make", str(number)), "dave", "deny")
        submit(cast, "make", str(number))


def cost(cast: Cast, url: str) -> int:
    browser = cast.client("bob")
    with Counted() as counted:
        answer = browser.get(url)
    assert answer.status_code == 200
    return len(counted.statements)


@pytest.mark.parametrize(
    "url", ["/", "/queue/list/", "/commands/", "/api/v1/commands/", "/audit/", "/api/v1/audit/events/"]
)
def test_listings_are_flat(cast: Cast, url: str) -> None:
    name = "erin" if "audit" in url else "bob"
    browser = cast.client(name)

    def measure() -> int:
        with Counted() as counted:
            assert browser.get(url).status_code == 200
        return len(counted.statements)

    make_commands(cast, 1)
    one = measure()
    make_commands(cast, 29)
    assert measure() == one
    assert one <= 12
