"""Decision to wake: from a reviewer's commit in one process to the answer at an agent waiting on another."""

from __future__ import annotations

import statistics
import threading
import time
from uuid import UUID

import httpx

from bench.site import make_site, start_server, submission

CYCLES = 200
SETTLE_S = 0.03


def main() -> None:
    """Decide here, over Redis to the server process that holds the waiter."""
    site = make_site()
    from django.utils import timezone

    from approvals.domain.tally import Verdict
    from approvals.services.decide import decide_command

    process, url = start_server()
    from_start, from_commit = [], []
    try:
        headers = {"Authorization": f"Bearer {site.key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            for _ in range(CYCLES):
                body = submission(site, ["rm", "x"], release=False)
                assert client.post("/api/v1/commands/", json=body).status_code == 201
                woken: list[float] = []
                thread = threading.Thread(target=_wait, args=(client, body["id"], woken))
                thread.start()
                time.sleep(SETTLE_S)  # the waiter's first look; the measurement starts after it
                start = time.perf_counter()
                decide_command(
                    access=site.access,
                    command_id=UUID(body["id"]),
                    verdict=Verdict.APPROVE,
                    digest=body["digest"],
                    reason="",
                    now=timezone.now(),
                )
                committed = time.perf_counter()
                thread.join()
                from_start.append((woken[0] - start) * 1000)
                from_commit.append((woken[0] - committed) * 1000)
    finally:
        process.terminate()
        process.wait()
    print(f"decision to wake, {CYCLES} cycles, two processes over Redis")
    for name, values in (("from the decision's start", from_start), ("from its commit", from_commit)):
        ordered = sorted(values)
        p99 = ordered[int(len(ordered) * 0.99) - 1]
        print(f"  {name:28} p50 {statistics.median(ordered):6.1f} ms   p99 {p99:6.1f} ms")


def _wait(client: httpx.Client, command_id: str, woken: list[float]) -> None:
    answer = client.get(f"/api/v1/commands/{command_id}/", params={"wait": 25})
    woken.append(time.perf_counter())
    assert answer.json()["state"] == "approved", answer.text
