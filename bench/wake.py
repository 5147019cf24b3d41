"""Decision to wake: from a reviewer's click on one process to the answer at an agent waiting on another.

The decision's own work (lock, replay of the log, commit) lies before its answer; the wake's after the
commit, so the second row is what the wake alone adds to what the reviewer sees.
"""

from __future__ import annotations

import statistics
import threading
import time

import httpx

from bench.site import make_site, session_cookies, start_server, submission

CYCLES = 200
SETTLE_S = 0.03


def main() -> None:
    """Two server processes over Redis: the agent waits on one, the reviewer's browser decides on the other."""
    site = make_site()
    cookies = session_cookies(site)
    agents, agents_url = start_server()
    reviewers, reviewers_url = start_server()
    sent, answered = [], []
    try:
        headers = {"Authorization": f"Bearer {site.key}"}
        with (
            httpx.Client(base_url=agents_url, headers=headers, timeout=60) as agent,
            httpx.Client(base_url=reviewers_url, cookies=cookies, timeout=60) as reviewer,
        ):
            token = {"X-CSRFToken": cookies["expacti_csrf"]}
            for _ in range(CYCLES):
                body = submission(site, ["rm", "x"], release=False)
                assert agent.post("/api/v1/commands/", json=body).status_code == 201
                woken: list[float] = []
                thread = threading.Thread(target=_wait, args=(agent, body["id"], woken))
                thread.start()
                time.sleep(SETTLE_S)  # the waiter's first look; the measurement starts after it
                decision = {"verdict": "approve", "digest": body["digest"]}
                start = time.perf_counter()
                answer = reviewer.post(f"/api/v1/commands/{body['id']}/decisions/", json=decision, headers=token)
                end = time.perf_counter()
                assert answer.status_code == 201, answer.text
                thread.join()
                sent.append((woken[0] - start) * 1000)
                answered.append((woken[0] - end) * 1000)
    finally:
        for process in (agents, reviewers):
            process.terminate()
            process.wait()
    print(f"decision to wake, {CYCLES} cycles, two server processes over Redis")
    for name, values in (("from the decision's request", sent), ("from the decision's answer", answered)):
        ordered = sorted(values)
        p99 = ordered[int(len(ordered) * 0.99) - 1]
        print(f"  {name:28} p50 {statistics.median(ordered):6.1f} ms   p99 {p99:6.1f} ms")


def _wait(client: httpx.Client, command_id: str, woken: list[float]) -> None:
    answer = client.get(f"/api/v1/commands/{command_id}/", params={"wait": 25})
    woken.append(time.perf_counter())
    assert answer.json()["state"] == "approved", answer.text
