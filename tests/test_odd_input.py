"""Bad input gets an answer that says what is wrong: never a 500, and nothing is stored by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import CommandRequest, Decision
from approvals.selectors.integrity import get_queue
from approvals.services.queues import open_queue
from tests.accounts.cast import ACTOR, Cast, make_cast
from tests.approvals.factories import AgentClient, make_body

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
MANY_DIGITS = "9" * 5_000
FAR = ("9999-12-31", "0001-01-01", "2026-13-40", "x\x00y", "%FF", "1e9", "-1", MANY_DIGITS)
ODD_VALUES: list[Any] = [
    None, True, 0, -1, 2**53 - 1, "", "x\u202ey", [], [[]], {}, {"a": {}}, "\ud7ff" * 9, "9" * 5_000, ["x" * 70_000],
]  # fmt: skip


@pytest.fixture
def cast() -> Cast:
    made = make_cast(timezone.now())
    for organization in (made.first, made.second):
        if not hasattr(organization, "queue_state"):
            open_queue(organization_id=organization.id, actor=ACTOR, now=timezone.now())
    return made


@pytest.fixture
def alice(cast: Cast) -> Client:
    client = cast.client("alice")
    client.raise_request_exception = False
    return client


@pytest.fixture
def agent(cast: Cast) -> AgentClient:
    client = AgentClient(cast.key_text)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("value", FAR)
@pytest.mark.parametrize(
    ("url", "name"),
    [
        *[("/commands/", name) for name in ("q", "state", "agent", "since", "until", "cursor")],
        *[("/audit/", name) for name in ("object", "actor", "type", "since", "until", "cursor")],
        *[("/api/v1/commands/", name) for name in ("q", "state", "agent", "since", "until", "cursor", "limit")],
        *[("/api/v1/audit/events/", name) for name in ("type", "obj", "actor", "since", "until", "cursor", "limit")],
        ("/sign-in/", "next"),
        ("/agents/", "cursor"),
    ],
)
def test_query_strings(alice: Client, url: str, name: str, value: str) -> None:
    answer = alice.get(url, {name: value})
    assert answer.status_code in {200, 302, 400, 422}, answer.status_code


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00"])
def test_moments_that_no_calendar_holds(alice: Client, text: str) -> None:
    for url in ("/api/v1/commands/", "/api/v1/audit/events/"):
        assert alice.get(url, {"since": text}).status_code == 422


@pytest.mark.parametrize("wait", [MANY_DIGITS, "-1", "1.5", "٣", "31", "x"])
def test_waits(agent: AgentClient, cast: Cast, wait: str) -> None:
    made = agent.submit(make_body(cast.agent, "ls")).json()
    assert agent.get(f"/api/v1/commands/{made['id']}/", {"wait": wait}).status_code == 422


def test_every_member_of_a_submission(agent: AgentClient, cast: Cast) -> None:
    names = [*make_body(cast.agent, "ls"), "command", "reason", "context", "release_nonce", "surprise"]
    for name in names:
        for value in ODD_VALUES:
            body = {**make_body(cast.agent, "ls"), name: value}
            answer = agent.submit(body)
            assert answer.status_code in {201, 409, 413, 422}, (name, value, answer.content)
            if answer.status_code == 422:
                assert answer.json()["code"] in {"invalid", "digest_mismatch", "ttl_too_long", "ttl_too_short"}


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("release", ("release_nonce", "digest", "surprise")),
        ("result", ("exit_code", "signal", "duration_ms", "output_sha256", "surprise")),
        ("cancel", ("reason", "surprise")),
    ],
)
def test_every_member_of_an_agents_action(agent: AgentClient, cast: Cast, action: str, names: tuple[str, ...]) -> None:
    body = make_body(cast.agent, "ls")
    agent.submit(body)
    for name in names:
        for value in ODD_VALUES:
            answer = agent.act(body["id"], action, {name: value})
            assert answer.status_code in {200, 202, 409, 422}, (name, value, answer.content)


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("commands/{id}/decisions/", {"verdict": "approve", "digest": "ab" * 32, "reason": ""}),
        (
            "whitelist/rules/",
            {
                "kind": "exact", "effect": "allow", "pattern": "ls", "reason": "x", "agents": [], "hosts": [],
                "users": [], "cwds": [], "expires_at": None, "max_uses": 1, "should_match": [],
                "should_not_match": [], "accept_warnings": True,
            },
        ),
        ("whitelist/simulate/", {"kind": "argv_glob", "effect": "allow", "pattern": "ls *", "reason": "x"}),
        ("api-keys/", {"agent": "{agent}", "name": "x", "expires_at": None}),
    ],
)  # fmt: skip
def test_every_member_that_a_person_sends(alice: Client, agent: AgentClient, cast: Cast, path: str, good: Any) -> None:
    body = make_body(cast.agent, "ls")
    agent.submit(body)
    url = "/api/v1/" + path.format(id=body["id"])
    good = json.loads(json.dumps(good).replace("{agent}", str(cast.agent.id)))
    for name in [*good, "surprise"]:
        for value in ODD_VALUES:
            text = json.dumps({**good, name: value})
            answer = alice.post(url, text, content_type="application/json")
            assert answer.status_code in {200, 201, 404, 409, 422}, (name, value, answer.content)
    assert not Decision.objects.exists()
    assert get_queue(cast.first.id).row.pending_version is None


def test_every_member_of_a_policy(alice: Client) -> None:
    (policy,) = alice.get("/api/v1/policies/").json()["results"]
    for name in [*policy, "surprise"]:
        for value in ODD_VALUES:
            text = json.dumps({name: value})
            answer = alice.patch(f"/api/v1/policies/{policy['id']}/", text, content_type="application/json")
            assert answer.status_code in {200, 422}, (name, value, answer.content)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 100_000])
def test_bodies_that_are_no_object(agent: AgentClient, raw: bytes) -> None:
    answer = agent.post("/api/v1/commands/", raw, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_bodies_of_another_type(agent: AgentClient, kind: str) -> None:
    assert agent.post("/api/v1/commands/", b"{}", content_type=kind).status_code == 415


def test_forms_of_the_pages(alice: Client, agent: AgentClient, cast: Cast) -> None:
    body = make_body(cast.agent, "ls")
    agent.submit(body)
    texts = ["", "\x00", "x" * 200_000, "\u202e", "9" * 5_000, "-1", "[]"]
    decide = {"verdict": "approve", "digest": "ab" * 32, "reason": "x", "version": "1"}
    rule = {
        "pattern": "ls", "kind": "exact", "scope": "any", "host": "", "expires": "", "max_uses": "", "reason": "x",
        "understood": "1", "digest": "ab" * 32,
    }  # fmt: skip
    forms = {
        f"/commands/{body['id']}/decide/": decide,
        f"/commands/{body['id']}/whitelist/": rule,
        "/agents/new/": {"name": "x", "description": ""},
        f"/agents/{cast.agent.id}/keys/new/": {"name": "x", "expires": "30"},
        "/account/preferences/": {"time_zone": "UTC"},
        "/account/organization/": {"organization": str(cast.second.id)},
    }
    for url, good in forms.items():
        for name in good:
            for text in texts:
                answer = alice.post(url, {**good, name: text})
                assert answer.status_code < 500, (url, name, text[:20], answer.status_code)
    assert CommandRequest.objects.get(pk=body["id"]).state == "pending"
