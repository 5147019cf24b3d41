"""Agents held at once by one server process: memory each, database connections, and how all are woken."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from bench.site import Site, make_site, rss_kib, start_server, submission

WAITERS = 9_900
BATCH = 200
WAIT_S = 600


def main() -> None:
    """Hold `WAITERS` long polls on as many commands, then decide one of them."""
    site = make_site()
    ids = _commands(site)
    process, url = start_server()
    try:
        asyncio.run(_measure(site, ids, url, process.pid))
    finally:
        process.terminate()
        process.wait()


def _commands(site: Site) -> list[str]:
    from django.utils import timezone

    from accounts.domain import api_keys
    from accounts.domain.principal import AgentPrincipal
    from accounts.selectors import find_key
    from approvals.api.bodies import body_limits
    from approvals.domain.parse import parse_submission
    from approvals.services.submit import submit_command

    key = find_key(api_keys.digest(site.key))
    assert key is not None
    agent = AgentPrincipal(
        agent_id=key.agent_id,
        agent_name=key.agent.name,
        key_id=key.id,
        key_prefix=key.prefix,
        key_expires_at=None,
        organization=key.organization,
        owner_id=key.agent.owner_id,
        created_by_id=None,
    )
    ids = []
    for _ in range(WAITERS):
        parsed = parse_submission(submission(site, ["rm", "x"], release=False), body_limits())
        ids.append(str(submit_command(agent=agent, submission=parsed, now=timezone.now()).row.id))
    return ids


async def _measure(site: Site, ids: list[str], url: str, pid: int) -> None:
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 0)
    warm = [await _open(site, host, port, ids[0]) for _ in range(20)]
    await _settle(pid)
    before = rss_kib(pid)
    streams: list[Any] = []
    start = time.perf_counter()
    for first in range(0, len(ids), BATCH):
        streams += await asyncio.gather(*(_open(site, host, port, name) for name in ids[first : first + BATCH]))
    held = await _held(pid, before)
    taken = time.perf_counter() - start
    connections = await asyncio.to_thread(_database_connections)
    print(f"{len(streams)} long polls held by one process ({taken:.0f} s to open)")
    print(f"  memory                       {held / len(streams):6.1f} KiB each ({held / 1024:.0f} MiB in all)")
    print(f"  database connections in use  {connections}")
    await _wake_one(site, ids[-1], streams[-1])
    for _reader, writer in (*streams, *warm):
        writer.close()


async def _open(site: Site, host: str, port: int, command_id: str) -> Any:
    reader, writer = await asyncio.open_connection(host, port, limit=8_192)
    writer.write(
        f"GET /api/v1/commands/{command_id}/?wait={WAIT_S} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {site.key}\r\nAccept: application/json\r\n\r\n".encode()
    )
    await writer.drain()
    return reader, writer


async def _settle(pid: int) -> int:
    """Return the resident memory once it has stopped moving: every request had its first look."""
    last, still = 0, 0
    while still < 4:
        await asyncio.sleep(1)
        now = rss_kib(pid)
        still = still + 1 if abs(now - last) < 256 else 0
        last = now
    return last


async def _held(pid: int, before: int) -> int:
    return await _settle(pid) - before


def _database_connections() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND state <> 'idle'")
        return int(cursor.fetchone()[0]) - 1  # this one


async def _wake_one(site: Site, command_id: str, stream: Any) -> None:
    from django.utils import timezone

    from approvals.domain.tally import Verdict
    from approvals.models import CommandRequest
    from approvals.services.decide import decide_command

    def decide() -> None:
        row = CommandRequest.objects.get(pk=command_id)
        decide_command(
            access=site.access,
            command_id=UUID(command_id),
            verdict=Verdict.APPROVE,
            digest=row.digest,
            reason="",
            now=timezone.now(),
        )

    await asyncio.to_thread(decide)
    start = time.perf_counter()
    line = await asyncio.wait_for(stream[0].readline(), 30)
    print(f"  one of them woken            {(time.perf_counter() - start) * 1000:6.1f} ms ({line.decode().strip()})")
