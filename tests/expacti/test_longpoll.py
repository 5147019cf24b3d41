"""The long-poll layer by itself, in front of an application that we control."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from approvals.waiting import registry
from expacti.longpoll import LongPoll

COMMAND = uuid.uuid4()


def scope(query: bytes = b"wait=5", method: str = "GET", tail: str = "") -> dict[str, Any]:
    path = f"/api/v1/commands/{COMMAND}/{tail}"
    return {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}


class Django:
    """Says that the command is pending until `decided`."""

    def __init__(self) -> None:
        self.decided = False
        self.asked = 0
        self.looked = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.asked += 1
        headers = [] if self.decided else [(b"x-expacti-hold", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"decided" if self.decided else b"pending"})
        self.looked.set()


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


class Sent(list[dict[str, Any]]):
    async def __call__(self, message: dict[str, Any]) -> None:
        self.append(message)


def test_a_wake_asks_again_and_the_mark_never_leaves() -> None:
    async def scene() -> None:
        django, sent = Django(), Sent()
        poll = asyncio.create_task(LongPoll(django)(scope(), _receive, sent))
        await django.looked.wait()
        assert sent == []
        django.decided = True
        registry.wake(COMMAND)
        await asyncio.wait_for(poll, 4)
        assert (django.asked, sent[1]["body"]) == (2, b"decided")
        assert len(registry) == 0

    asyncio.run(scene())


def test_the_end_of_the_wait_answers_what_holds_then() -> None:
    async def scene() -> None:
        django, sent = Django(), Sent()
        await asyncio.wait_for(LongPoll(django)(scope(b"wait=1"), _receive, sent), 4)
        assert sent[1]["body"] == b"pending"
        assert sent[0]["headers"] == []

    asyncio.run(scene())


def test_a_server_that_ends_tells_the_waiter_to_come_again() -> None:
    async def scene() -> None:
        django, sent = Django(), Sent()
        poll = asyncio.create_task(LongPoll(django)(scope(), _receive, sent))
        await django.looked.wait()
        poll.cancel()
        await asyncio.wait_for(poll, 4)
        assert (sent[0]["status"], dict(sent[0]["headers"])[b"retry-after"]) == (503, b"1")

    asyncio.run(scene())


@pytest.mark.parametrize(
    "held_not",
    [
        scope(b""),
        scope(b"wait=0"),
        scope(b"wait=31"),
        scope(b"wait=" + b"9" * 5_000),
        scope(b"wait=5&wait=6"),
        scope(b"wait=-1"),
        scope(b"wait=%35\xff"),
        scope(method="POST"),
        scope(tail="release/"),
        scope(tail="result/", method="POST"),
    ],
)
def test_everything_else_goes_straight_to_django(held_not: dict[str, Any]) -> None:
    async def scene() -> None:
        django, sent = Django(), Sent()
        await asyncio.wait_for(LongPoll(django)(held_not, _receive, sent), 4)
        assert (django.asked, sent[0]["headers"]) == (1, [])

    asyncio.run(scene())


def test_a_long_body_is_answered_and_not_held() -> None:
    async def big() -> dict[str, Any]:
        return {"type": "http.request", "body": b" " * 5_000, "more_body": False}

    async def scene() -> None:
        django, sent = Django(), Sent()
        await asyncio.wait_for(LongPoll(django)(scope(tail="release/", method="POST"), big, sent), 4)
        assert sent[1]["body"] == b"pending"

    asyncio.run(scene())
