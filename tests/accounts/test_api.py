"""API keys (attack 47), sessions on the API (attack 42), and the three endpoints."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.domain import api_keys
from accounts.models import Agent, ApiKey, TotpDevice
from tests.accounts.cast import Cast
from tests.accounts.recorded import types

AGENT, KEYS = "/api/v1/agent/", "/api/v1/api-keys/"
JSON = "application/json"


def call(key: str, url: str = AGENT, **more: Any) -> Any:
    return Client().get(url, headers={"Authorization": f"Bearer {key}"}, **more)


def test_who_am_i(cast: Cast, settings: Any) -> None:
    cast.first.max_ttl_s = 600
    cast.first.save()
    body = call(cast.key_text).json()
    assert body["agent"] == {"id": str(cast.agent.id), "name": "deploy-bot"}
    assert body["organization"]["id"] == str(cast.first.id)
    assert body["key"] == {"prefix": cast.key_text[:12], "expires_at": None}
    assert body["limits"]["ttl_max_s"] == 600
    assert body["limits"]["body_bytes"] == settings.API_BODY_BYTES


def test_a_key_costs_one_query(cast: Cast, django_assert_num_queries: Any) -> None:
    call(cast.key_text)  # notes the use
    with django_assert_num_queries(1):
        assert call(cast.key_text).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic Zm9v", "Bearer x y", "exp_x"])
def test_attack_47_noise_costs_no_query(cast: Cast, header: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get(AGENT, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")


def test_attack_47_wrong_checksum_costs_no_query(cast: Cast, django_assert_num_queries: Any) -> None:
    last = "0" if cast.key_text[-1] != "0" else "1"
    with django_assert_num_queries(0):
        answer = call(cast.key_text[:-1] + last)
    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")
    assert "WWW-Authenticate" in answer.headers


def test_attack_47_unknown_expired_revoked_disabled(cast: Cast) -> None:
    def code(key: str = cast.key_text) -> str:
        answer = call(key)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        return str(answer.json()["code"])

    now = timezone.now()
    assert code(api_keys.generate()) == "key_invalid"
    row, agent = ApiKey.objects.filter(pk=cast.key.pk), Agent.objects.filter(pk=cast.agent.pk)
    row.update(expires_at=now)
    assert code() == "key_expired"
    row.update(expires_at=now + timedelta(hours=1))
    assert call(cast.key_text).status_code == 200
    agent.update(disabled_at=now)
    assert code() == "key_revoked"
    agent.update(disabled_at=None)
    row.update(revoked_at=now)
    assert code() == "key_revoked"


def test_a_dead_key_is_recorded_once_a_while(cast: Cast) -> None:
    ApiKey.objects.filter(pk=cast.key.pk).update(revoked_at=timezone.now())
    for _ in range(3):
        assert call(cast.key_text).status_code == 401
    assert types(cast.first.id).count("api_key.refused") == 1


@pytest.mark.parametrize(
    "query",
    [
        "wait=1&x={key}",
        "{key}",
        "x=%65xp_{rest}",
        "token=abc",
        "api_key=",
        "ACCESS_TOKEN=x",
    ],
)
def test_attack_47_a_credential_in_a_url_is_refused(cast: Cast, query: str) -> None:
    url = f"{AGENT}?{query.format(key=cast.key_text, rest=cast.key_text[4:])}"
    for answer in (Client().get(url), call(cast.key_text, url), cast.client("alice").get(url)):
        assert (answer.status_code, answer.json()["code"]) == (400, "credential_in_url")


def test_attack_47_a_key_is_never_in_a_log(cast: Cast, caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG):
        call(cast.key_text)
        call(cast.key_text, f"{AGENT}?x={cast.key_text}")
        ApiKey.objects.update(revoked_at=timezone.now())
        call(cast.key_text)
    assert cast.key_text not in caplog.text.replace(f"{AGENT}?x=", "")


def test_attack_47_the_database_does_not_hold_the_key(cast: Cast) -> None:
    for row in ApiKey.objects.values():
        assert cast.key_text not in str(row)
        assert cast.key_text.encode() not in bytes(row["digest"])


def test_two_credentials_in_one_header_are_none(cast: Cast) -> None:
    assert call(f"{cast.key_text}, Bearer {cast.key_text}").status_code == 401


def test_nobody_is_401(cast: Cast) -> None:
    for method, url in (
        ("get", AGENT),
        ("get", KEYS),
        ("post", KEYS),
        ("delete", f"{KEYS}{cast.key.id}/"),
    ):
        answer = getattr(Client(), method)(url)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_attack_42_api_without_a_second_factor(cast: Cast) -> None:
    TotpDevice.objects.all().delete()
    for name in ("alice", "dave"):
        answer = cast.client(name).get(KEYS)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")


@pytest.mark.parametrize("name", ["bob", "erin", "mallory"])
def test_keys_are_for_admins(cast: Cast, name: str) -> None:
    client = cast.client(name)
    for answer in (
        client.get(KEYS),
        client.post(KEYS, {"agent": str(cast.agent.id)}, content_type=JSON),
        client.delete(f"{KEYS}{cast.key.id}/"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "role_required")


def test_an_agent_does_not_administer_nor_a_person_submit(cast: Cast) -> None:
    answer = call(cast.key_text, KEYS)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
    assert cast.client("alice").get(AGENT).status_code == 403


def test_a_session_needs_its_csrf_token(cast: Cast) -> None:
    strict = cast.client("dave", enforce_csrf_checks=True)
    body = {"agent": str(cast.agent.id)}
    answer = strict.post(KEYS, body, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    strict.get("/agents/")
    token = strict.cookies["expacti_csrf"].value
    answer = strict.post(KEYS, body, content_type=JSON, headers={"X-CSRFToken": token})
    assert answer.status_code == 201


def test_making_listing_and_revoking_keys(cast: Cast) -> None:
    dave = cast.client("dave")
    expires = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"agent": str(cast.agent.id), "name": "ci", "expires_at": expires}
    created = dave.post(KEYS, body, content_type=JSON)
    assert created.status_code == 201
    key = created.json()
    assert (key["expires_at"], key["status"]) == (expires, "active")
    assert call(key["key"]).status_code == 200
    first = dave.get(f"{KEYS}?limit=1").json()
    second = dave.get(f"{KEYS}?limit=1&cursor={first['next']}").json()
    listed = [*first["results"], *second["results"]]
    assert [row["id"] for row in listed] == [key["id"], str(cast.key.id)]
    assert "key" not in listed[0]
    assert second["next"] is None
    assert dave.delete(f"{KEYS}{key['id']}/").status_code == 204
    assert call(key["key"]).json()["code"] == "key_revoked"
    assert types(cast.first.id)[-2:] == ["api_key.revoked", "api_key.refused"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"agent": None}, "/agent"),
        ({"agent": 5}, "/agent"),
        ({"name": 5}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"role": "owner"}, "/role"),
    ],
)
def test_bad_bodies(cast: Cast, change: dict[str, Any], pointer: str) -> None:
    body = {"agent": str(cast.agent.id), **change}
    answer = cast.client("dave").post(KEYS, body, content_type=JSON)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_attack_48_another_organizations_keys_do_not_exist(cast: Cast) -> None:
    charlie = cast.client("charlie")
    assert charlie.delete(f"{KEYS}{cast.key.id}/").status_code == 404
    assert charlie.delete(f"{KEYS}{uuid4()}/").status_code == 404
    body = {"agent": str(cast.agent.id)}
    assert charlie.post(KEYS, body, content_type=JSON).status_code == 404
    assert charlie.get(f"{KEYS}?agent={cast.agent.id}").status_code == 404
    listed = charlie.get(KEYS).json()["results"]
    assert [row["id"] for row in listed] == [str(cast.other_key.id)]
    cursor = cast.client("dave").get(f"{KEYS}?limit=1").json()["next"]
    assert cursor is None
