"""Wake agents that wait for a decision, in this process or, over Redis, in another.

A waiter is a future in this process's registry: no thread, no database connection, no subscription
of its own. Each process holds one Redis subscription. A lost wake costs the rest of one long poll,
never a decision: after it the waiter reads the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from django.conf import settings

logger = logging.getLogger(__name__)
CHANNEL = "expacti:wake"
RESUBSCRIBE_AFTER_S = 1.0
HEALTH_CHECK_S = 15


class Registry:
    """The waiters of one event loop, by command."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._waiters: dict[UUID, set[asyncio.Future[None]]] = {}
        self._subscription: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(len(futures) for futures in self._waiters.values())

    @contextlib.contextmanager
    def waiter(self, command_id: UUID) -> Iterator[asyncio.Future[None]]:
        """Register a future that the next change of the command resolves.

        Register before reading the state, so that no change falls in between.
        """
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            self._adopt(loop)
        future = loop.create_future()
        self._waiters.setdefault(command_id, set()).add(future)
        try:
            yield future
        finally:
            futures = self._waiters.get(command_id)
            if futures is not None:
                futures.discard(future)
                if not futures:
                    del self._waiters[command_id]

    def wake(self, command_id: UUID) -> None:
        """Resolve the command's waiters. From any thread."""
        loop = self.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._resolve, command_id)

    def _resolve(self, command_id: UUID) -> None:
        for future in self._waiters.get(command_id, ()):
            if not future.done():
                future.set_result(None)

    def _wake_all(self) -> None:
        for command_id in list(self._waiters):
            self._resolve(command_id)

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiters.clear()
        if settings.REDIS_URL:
            self._subscription = loop.create_task(self._listen())

    async def _listen(self) -> None:
        """Hold this process's one subscription, for ever."""
        while True:
            try:
                await self._listen_once()
            except Exception:
                # Whatever came over the wire: without a subscription every wake would be late.
                logger.exception("the wake subscription failed; waiters fall back to their long poll's end")
            await asyncio.sleep(RESUBSCRIBE_AFTER_S)

    async def _listen_once(self) -> None:
        client = redis.asyncio.from_url(settings.REDIS_URL, socket_timeout=None, health_check_interval=HEALTH_CHECK_S)
        async with client, client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            # What happened while there was no subscription is unknown: let everyone look.
            self._wake_all()
            async for message in subscription.listen():
                if message["type"] == "message":
                    self._resolve(UUID(bytes=message["data"]))


registry = Registry()


def wake(command_id: UUID) -> None:
    """Wake the command's waiters, wherever they are."""
    registry.wake(command_id)
    if settings.REDIS_URL:
        try:
            _client().publish(CHANNEL, command_id.bytes)
        except redis.RedisError:
            logger.warning("Redis is not available; waiters elsewhere see the change at their next look")


@lru_cache(maxsize=1)
def _client() -> Any:
    return redis.from_url(settings.REDIS_URL, socket_timeout=2)
