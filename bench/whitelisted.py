"""A whitelisted POST (key, rules, row, three records, signed grant) against a DRF view that reads one row."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from bench.site import make_site, start_server, submission

REQUESTS = 300
BLOCK = 25


def main() -> None:
    """Measure in alternating blocks, over one connection and over eight."""
    site = make_site()
    from django.utils import timezone

    from bench.rivals.models import PlainNote

    note = PlainNote.objects.create(
        organization_id=site.organization_id, state="x", digest="ab" * 32, text="ls -l", created_at=timezone.now()
    )
    process, url = start_server()
    try:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {site.key}"}) as client:
            bodies = iter([submission(site, ["ls", "-l"], release=True) for _ in range(2 * REQUESTS + BLOCK * 9)])

            def post() -> None:
                answer = client.post("/api/v1/commands/", json=next(bodies))
                assert answer.status_code == 201, answer.text
                assert answer.json()["state"] == "released"

            def read(path: str) -> None:
                assert client.get(path).status_code == 200

            actions = {
                "whitelisted POST": post,
                "DRF view, default middleware": lambda: read(f"/bench/notes/{note.pk}/"),
                "DRF view, our lean stack": lambda: read(f"/api/v1/bench/notes/{note.pk}/"),
            }
            for threads in (1, 8):
                _compare(actions, threads)
    finally:
        process.terminate()
        process.wait()


def _compare(actions: dict, threads: int) -> None:  # type: ignore[type-arg]
    rates: dict[str, list[float]] = {name: [] for name in actions}
    with ThreadPoolExecutor(threads) as pool:
        for block in range(REQUESTS // BLOCK):
            for name, action in actions.items():
                start = time.perf_counter()
                list(pool.map(lambda _n, action=action: action(), range(BLOCK)))
                if block:
                    rates[name].append((time.perf_counter() - start) / BLOCK * 1000)
    times = {name: statistics.median(values) for name, values in rates.items()}
    floor = times["DRF view, default middleware"]
    print(f"time per request, one server process, {threads} connection(s)")
    for name, value in times.items():
        print(f"  {name:30} {value:6.2f} ms   {value / floor:5.2f} x the DRF view")
