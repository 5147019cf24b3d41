"""Create a row with its chained audit record, against a plain create and against the usual packages.

Each round starts 8 processes with one connection each, all variants in turn, so that noise of the
machine falls on all of them. Rates are rows per second over all processes.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
import uuid
from typing import Any

from django.db import connections
from django.utils import timezone

from audit.services import Event, append, open_log
from bench.rivals import models
from core import db

_fork = multiprocessing.get_context("fork")

CONNECTIONS = 8
ROUNDS = 3
SECONDS = 3.0
VARIANTS = ("plain", "ours", "auditlog", "simple_history")


def main() -> None:
    """Measure over 32 organizations and over one."""
    for organizations in (32, 1):
        rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(ROUNDS):
            for name in VARIANTS:
                rates[name].append(_round(name, organizations))
        plain = statistics.median(rates["plain"])
        print(f"create + record, {CONNECTIONS} connections, {organizations} organization(s)")
        for name in VARIANTS:
            rate = statistics.median(rates[name])
            print(f"  {name:15} {rate:8.0f} rows/s   {rate / plain:5.2f} x plain create")


def _round(variant: str, organizations: int) -> float:
    ids = _open_logs(organizations)
    connections.close_all()  # nothing of ours may cross the fork
    start = _fork.Barrier(CONNECTIONS)
    counts = _fork.Queue()
    workers = [_fork.Process(target=_work, args=(variant, ids, number, start, counts)) for number in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    total = sum(counts.get() for _ in workers)
    for worker in workers:
        worker.join()
    return total / SECONDS


def _open_logs(count: int) -> list[uuid.UUID]:
    ids = [uuid.uuid4() for _ in range(count)]
    for organization in ids:
        open_log(organization)
    return ids


def _work(variant: str, ids: list[uuid.UUID], number: int, start: Any, counts: Any) -> None:
    action = ACTIONS[variant]
    for step in range(10):
        action(ids[(step + number) % len(ids)])
    start.wait()
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        action(ids[(count + number * 7) % len(ids)])
        count += 1
    counts.put(count)


def _values(organization: uuid.UUID) -> dict[str, Any]:
    return {
        "organization_id": organization,
        "state": "pending",
        "digest": "ab" * 32,
        "text": "ls -l /srv/app",
        "created_at": timezone.now(),
    }


def _ours(organization: uuid.UUID) -> None:
    note = models.LoggedNote(**_values(organization))
    event = Event(
        "note.created", f"command:{note.id}", "agent:5", {"digest": note.digest}, {"text": note.text}, version=1
    )
    append(organization_id=organization, now=note.created_at, events=[event], writes=[db.insert(note)])


ACTIONS = {
    "plain": lambda organization: models.PlainNote.objects.create(**_values(organization)),
    "ours": _ours,
    "auditlog": lambda organization: models.AuditlogNote.objects.create(**_values(organization)),
    "simple_history": lambda organization: models.HistoryNote.objects.create(**_values(organization)),
}
