"""Create a row with its chained audit record, against a plain create and against the usual packages.

Each round starts 8 processes with one connection each, all variants in turn, so that noise of the
machine falls on all of them. Rates are rows per second over all processes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import uuid
from typing import Any

CONNECTIONS = 8
ROUNDS = 3
SECONDS = 3.0
VARIANTS = ("plain", "ours", "auditlog", "simple_history")


def main() -> None:
    """Measure over 32 organizations and over one."""
    for organizations in (32, 1):
        rates = {name: [] for name in VARIANTS}
        for _ in range(ROUNDS):
            for name in VARIANTS:
                rates[name].append(_round(name, organizations))
        plain = statistics.median(rates["plain"])
        print(f"create + record, {CONNECTIONS} connections, {organizations} organization(s)")
        for name in VARIANTS:
            rate = statistics.median(rates[name])
            print(f"  {name:15} {rate:8.0f} rows/s   {rate / plain:5.2f} x plain create")


def _round(variant: str, organizations: int) -> float:
    command = [sys.executable, "-m", "bench.append", variant, json.dumps(_open_logs(organizations))]
    workers = [
        subprocess.Popen(
            [*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(CONNECTIONS)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    counts = [int(worker.communicate("go\n")[0]) for worker in workers]
    return sum(counts) / SECONDS


def _open_logs(count: int) -> list[str]:
    import django

    django.setup()
    from audit.services import open_log

    ids = [uuid.uuid4() for _ in range(count)]
    for organization in ids:
        open_log(organization)
    return [str(organization) for organization in ids]


def _work(variant: str, ids: list[uuid.UUID], number: int) -> int:
    import django

    django.setup()
    from django.utils import timezone

    from audit.services import Event, append
    from bench.rivals import models
    from core import db

    def values(organization: uuid.UUID) -> dict[str, Any]:
        return {
            "organization_id": organization,
            "state": "pending",
            "digest": "ab" * 32,
            "text": "ls -l /srv/app",
            "created_at": timezone.now(),
        }

    def ours(organization: uuid.UUID) -> None:
        note = models.LoggedNote(**values(organization))
        event = Event(
            "note.created",
            f"command:{note.id}",
            "agent:5",
            {"digest": note.digest},
            {"text": note.text},
            version=1,
        )
        append(organization_id=organization, now=note.created_at, events=[event], writes=[db.insert(note)])

    actions = {
        "plain": lambda organization: models.PlainNote.objects.create(**values(organization)),
        "ours": ours,
        "auditlog": lambda organization: models.AuditlogNote.objects.create(**values(organization)),
        "simple_history": lambda organization: models.HistoryNote.objects.create(**values(organization)),
    }
    action = actions[variant]
    for step in range(5):
        action(ids[step % len(ids)])
    print("ready", flush=True)
    sys.stdin.readline()
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        action(ids[(count + number * 7) % len(ids)])
        count += 1
    return count


if __name__ == "__main__":
    _variant, _ids, _number = sys.argv[1:4]
    print(_work(_variant, [uuid.UUID(text) for text in json.loads(_ids)], int(_number)))
