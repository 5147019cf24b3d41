"""The in-process runner: periodic jobs in the server's own process, where there is no other.

Each job is safe to run in several processes at once: what it does is decided in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from approvals.schedule import PERIODIC
from expacti.checks import AlreadyServing, claim_installation

logger = logging.getLogger(__name__)


async def run_periodic(stop: asyncio.Event) -> None:
    """Run every periodic job each `SWEEP_INTERVAL_S` seconds until `stop`."""
    while not stop.is_set():
        for job in PERIODIC:
            try:
                await sync_to_async(_run, thread_sensitive=False)(job)
            except Exception:
                # The clock decides in every action as well; a sweep that fails loses nothing.
                logger.exception("periodic job %s failed", job.__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), settings.SWEEP_INTERVAL_S)


def _run(job: Any) -> None:
    close_old_connections()
    try:
        job()
    finally:
        close_old_connections()


async def lifespan(_scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Start the runner with the server, and end it with the server."""
    stop = asyncio.Event()
    task: asyncio.Task[None] | None = None
    lock = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                lock = claim_installation()
            except AlreadyServing as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            if settings.IN_PROCESS_RUNNER:
                task = asyncio.create_task(run_periodic(stop))
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            stop.set()
            if task is not None:
                await task
            if lock is not None:
                lock.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
