"""Redis or a database goes away in the middle: nothing runs by it, and nothing acknowledged is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import channel_layers
from django.db import OperationalError

from approvals import waiting
from approvals.models import CommandRequest
from approvals.whitelist.models import WhitelistRule
from tests.accounts.cast import Cast
from tests.accounts.recorded import types
from tests.approvals.factories import NONCE, AgentClient, allow, decide_by_api, fresh, make_body

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
def redis_away(settings: Any, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    settings.REDIS_URL = NOBODY_LISTENS
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": NOBODY_LISTENS}]},
        },
    }
    channel_layers.backends.clear()
    waiting._client.cache_clear()
    with caplog.at_level(logging.CRITICAL + 1):
        yield
    channel_layers.backends.clear()
    waiting._client.cache_clear()


@pytest.mark.usefixtures("redis_away")
def test_decisions_hold_without_redis(cast: Cast, agent: AgentClient, django_capture_on_commit_callbacks: Any) -> None:
    body = make_body(cast.agent, "ls")
    with django_capture_on_commit_callbacks(execute=True) as told:
        assert agent.submit(body).status_code == 201
        assert decide_by_api(cast.client("bob"), body).status_code == 201
    assert told
    assert agent.release(body).status_code == 200


def test_main_database_away_is_503(agent: AgentClient, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: Any, **_kwargs: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("core.db.execute", away)
    monkeypatch.setattr("core.db.fetch_prepared", away)
    answer = agent.submit(make_body(cast.agent, "ls"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "Retry-After" in answer.headers
    assert not CommandRequest.objects.exists()


def test_whitelist_database_away_sends_commands_to_humans(
    agent: AgentClient, cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    allow(cast, "ls")

    def away(*_args: Any, **_kwargs: Any) -> Any:
        raise OperationalError("could not connect")

    monkeypatch.setattr(WhitelistRule.objects, "filter", away)
    with caplog.at_level(logging.CRITICAL + 1):
        body = make_body(cast.agent, "ls", release_nonce=NONCE)
        answer = agent.submit(body).json()
    assert (answer["state"], "grant" in answer) == ("pending", False)
    row = fresh(CommandRequest.objects.get(pk=body["id"]))
    assert types(cast.first.id)[-1] == "command.submitted"
    assert row.version == 1
