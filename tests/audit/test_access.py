"""Who reads the log over HTTP, and that nobody writes it there."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.accounts.cast import Cast, make_cast
from tests.audit.exports import NOW, anchor_of, verify

pytestmark = pytest.mark.django_db
EVENTS, EXPORT = "/api/v1/audit/events/", "/api/v1/audit/export/"


@pytest.fixture
def cast() -> Cast:
    return make_cast(NOW)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("url", [EVENTS, EXPORT, "/audit/"])
def test_attack_16_read_only(cast: Cast, method: str, url: str) -> None:
    refused = getattr(cast.client("alice"), method)(url, "{}", content_type="application/json")
    assert refused.status_code == 405
    if url != "/audit/":
        assert refused.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("url", [EVENTS, EXPORT])
def test_who_reads(cast: Cast, url: str) -> None:
    answers = {name: cast.client(name).get(url).status_code for name in ("alice", "dave", "erin", "bob", "mallory")}
    assert answers == {"alice": 200, "dave": 200, "erin": 200, "bob": 403, "mallory": 403}
    agent = Client(headers={"Authorization": f"Bearer {cast.key_text}"}).get(url)
    assert (agent.status_code, agent.json()["code"]) == (403, "role_required")
    assert Client().get(url).status_code == 401


def test_attack_48_each_reads_their_own(cast: Cast) -> None:
    own, others = (cast.client(name).get(EVENTS).json()["results"] for name in ("alice", "charlie"))
    logs = {row["record"]["log"] for row in own}, {row["record"]["log"] for row in others}
    assert all(len(names) == 1 for names in logs)
    assert logs[0] != logs[1]
    stolen = cast.client("alice").get(EVENTS, {"limit": 1}).json()["next"]
    refused = cast.client("charlie").get(EVENTS, {"cursor": stolen})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_cursor")


def test_export_over_http_verifies(cast: Cast) -> None:
    answer = cast.client("erin").get(EXPORT)
    lines = b"".join(answer.streaming_content).splitlines(keepends=True)
    assert verify(lines, anchor_of(cast.first.id)).exit_code == 0


def test_pages_of_events_hold_every_record_once(cast: Cast) -> None:
    browser, seen, cursor = cast.client("erin"), [], ""
    while cursor is not None:
        answer = browser.get(EVENTS, {"limit": 2, "cursor": cursor}).json()
        seen += [row["record"]["seq"] for row in answer["results"]]
        cursor = answer["next"]
    assert seen == sorted(seen, reverse=True)
    assert seen == list(range(anchor_of(cast.first.id).size))[::-1]


@pytest.mark.parametrize(
    "query", [{"cursor": "x"}, {"limit": "0"}, {"limit": "101"}, {"since": "now"}, {"until": "2026-01-01"}]
)
def test_bad_queries(cast: Cast, query: dict[str, str]) -> None:
    assert cast.client("erin").get(EVENTS, query).status_code in {400, 422}
