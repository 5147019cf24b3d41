"""Long polls, in front of Django: a waiting agent costs a future, not a thread or a connection.

The request first runs through Django as any other. When Django's answer says that the command is
still pending (`X-Expacti-Hold`) and the request asked to wait, the answer is dropped, Django's
thread and database connection go back, and only this coroutine stays. A wake, or the end of the
wait, runs the request through Django again, authentication included, and that answer is sent.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings

from approvals.waiting import registry
from core.pagination import is_small_number

_PATH = re.compile(r"/api/v1/commands/([0-9a-f-]{36})/(release/)?")
_METHODS = {None: "GET", "release/": "POST"}
HOLD_HEADER = b"x-expacti-hold"
HELD_BODY_BYTES = 1_024


class LongPoll:
    """ASGI application around Django's."""

    def __init__(self, django: Any) -> None:
        self.django = django

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        target = _target(scope)
        if target is None or len(registry) >= settings.LONG_POLL_MAX_WAITERS:
            await self.django(scope, receive, _without_hold(send))
            return
        command_id, wait = target
        body = await _read_body(receive)
        if len(body) > HELD_BODY_BYTES:
            wait = 0  # nothing that belongs here is so long: it is answered, not held
        await self._hold(scope, body, send, command_id, wait)

    async def _hold(self, scope: dict[str, Any], body: bytes, send: Any, command_id: UUID, wait: int) -> None:
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            # Registered before the state is read, so that no decision falls in between.
            with registry.waiter(command_id) as woken:
                answer = await _ask(self.django, scope, body)
                try:
                    if not answer.held or not await _wait(woken, deadline):
                        break
                except asyncio.CancelledError:
                    # The server ends. The agent asks again, and finds it restarted or another process.
                    answer = _Answer.ending()
                    break
        await answer.send(send)


class _Answer:
    """Django's answer, kept until it is known whether to send it."""

    __slots__ = ("held", "messages")

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.held = False

    @classmethod
    def ending(cls) -> _Answer:
        """Return the answer of a server that shuts down."""
        answer = cls()
        headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
        answer.messages = [
            {"type": "http.response.start", "status": 503, "headers": headers},
            {"type": "http.response.body", "body": b""},
        ]
        return answer

    async def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.held = any(name.lower() == HOLD_HEADER for name, _ in message["headers"])
            message = _strip(message)
        self.messages.append(message)

    async def send(self, send: Any) -> None:
        for message in self.messages:
            await send(message)


async def _ask(django: Any, scope: dict[str, Any], body: bytes) -> _Answer:
    answer = _Answer()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        # Django also listens for a disconnect while it works; there is none to tell here.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    await django(dict(scope), receive, answer.take)
    return answer


async def _wait(woken: asyncio.Future[None], deadline: float) -> bool:
    """Return True when there is reason to look again."""
    loop = asyncio.get_running_loop()
    if loop.time() >= deadline:
        return False
    timer = loop.call_at(deadline, _finish, woken)
    try:
        await woken
    finally:
        timer.cancel()
    return True


def _finish(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _target(scope: dict[str, Any]) -> tuple[UUID, int] | None:
    if b"wait" not in scope["query_string"]:
        return None
    match = _PATH.fullmatch(scope["path"])
    if match is None or scope["method"] != _METHODS[match.group(2)]:
        return None
    values = parse_qs(scope["query_string"].decode("ascii", "replace")).get("wait", [])
    if len(values) != 1 or not is_small_number(values[0]):
        return None
    wait = int(values[0])
    if not 0 < wait <= settings.API_WAIT_MAX_S:
        return None
    try:
        return UUID(match.group(1)), wait
    except ValueError:
        return None


async def _read_body(receive: Any) -> bytes:
    # One byte over the limit is enough for Django to refuse it.
    body = b""
    while len(body) <= settings.API_BODY_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def _without_hold(send: Any) -> Any:
    async def strip(message: dict[str, Any]) -> None:
        await send(_strip(message) if message["type"] == "http.response.start" else message)

    return strip


def _strip(message: dict[str, Any]) -> dict[str, Any]:
    headers = [(name, value) for name, value in message["headers"] if name.lower() != HOLD_HEADER]
    return {**message, "headers": headers}
