"""Races (attacks 12 and 20) on a real PostgreSQL, in an installation of their own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from expacti_agent.verify import Anchor, verify_export

from tests.support.stack import ROOT, Stack, make_databases, make_stack

ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"
pytestmark = [
    pytest.mark.postgres,
]
WRITERS, THREADS = 10, 5


@dataclass
class Installation:
    stack: Stack
    folder: Path
    organization: str = ""

    def start(self, act: str, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.approvals.racing", act, str(self.folder / f"{act}.json")]
        return subprocess.Popen(command, cwd=ROOT, env=self.stack.environ, text=True, **more)

    def run(self, act: str) -> Any:
        process = self.start(act, stderr=subprocess.PIPE)
        _out, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
        return json.loads((self.folder / f"{act}.json").read_text())

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.environ["DATABASE_URL"]) as connection:
            return connection.execute(sql, params).fetchall()  # type: ignore[arg-type]

    def assert_chain_holds(self) -> None:
        verified = self.stack.manage("verify_audit")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        counts = self.rows(
            "SELECT l.size, count(e.seq), count(DISTINCT e.seq), coalesce(max(e.seq), -1) + 1"
            " FROM audit_log l LEFT JOIN audit_event e ON e.log_id = l.id GROUP BY l.id"
        )
        assert all(len(set(row)) == 1 for row in counts), counts


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("race")
    name = f"race_{uuid.uuid4().hex[:8]}"
    stack = make_stack(folder, port=1, databases=make_databases(name))
    stack.environ |= {
        "EXPACTI_ROOT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "EXPACTI_SECRET_KEY": secrets.token_urlsafe(60),
        "EXPACTI_DATABASE_POOL_MAX": "24",
    }
    for arguments in (["migrate"], ["migrate", "--database", "whitelist"], ["setup_database_roles"]):
        done = stack.manage(*arguments)
        assert done.returncode == 0, done.stderr
    made = Installation(stack, folder)
    made.organization = made.run("seed")["organization"]
    yield made
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        for part in ("main", "rules"):
            connection.execute(f"DROP DATABASE {name}_{part} WITH (FORCE)")  # type: ignore[arg-type]


def test_attack_12_two_hundred_submissions_at_once(installation: Installation) -> None:
    assert installation.run("submissions") == {"pending": 200}
    (submitted,) = installation.rows("SELECT count(*) FROM approvals_commandrequest")
    (recorded,) = installation.rows("SELECT count(*) FROM audit_event WHERE type = 'command.submitted'")
    assert submitted == recorded == (200,)
    installation.assert_chain_holds()


def test_one_id_submitted_twenty_times_at_once(installation: Installation) -> None:
    found = installation.run("same_submission")
    assert found == {"outcomes": {"pending": 20}, "rows": 1}
    installation.assert_chain_holds()


def check_votes(found: dict[str, Any]) -> None:
    assert found["outcomes"] == {"voted": 1, "state_final": 19}
    assert (found["state"], found["decisions"]) == ("approved", 1)


def check_both_verdicts(found: dict[str, Any]) -> None:
    assert found["outcomes"].pop("voted") == 1
    assert sum(found["outcomes"].values()) == 19
    assert set(found["outcomes"]) == {"state_final" if found["state"] == "approved" else "denied"}
    assert found["decisions"] == 1


def check_releases(found: dict[str, Any]) -> None:
    assert found["outcomes"] == {"released": 1, "already_released": 19}
    assert (found["state"], found["won"]) == ("released", True)


def check_expiry(found: dict[str, Any]) -> None:
    outcomes = found["outcomes"]
    if found["state"] == "released":
        assert outcomes == {"released": 1, "already_released": 19}
    else:
        assert (found["state"], found["nonce"], outcomes) == ("expired", "", {"expired": 20})


def check_cancel(found: dict[str, Any]) -> None:
    assert found["state"] in {"cancelled", "released", "approved"}
    assert (found["outcomes"].get("cancelled", 0) > 0) == (found["state"] == "cancelled") or found["nonce"]
    assert found["decisions"] <= 1
    assert not [name for name in found["outcomes"] if "Error" in name or ":" in name]


RACES: dict[str, Callable[[dict[str, Any]], None]] = {
    "votes": check_votes,
    "deny_against_approve": check_both_verdicts,
    "releases": check_releases,
    "release_against_expiry": check_expiry,
    "cancel_against_vote_and_release": check_cancel,
}


@pytest.mark.parametrize("act", RACES)
def test_attack_20_one_winner(installation: Installation, act: str) -> None:
    found = installation.run(act)
    assert len(found) == 5
    for one in found:
        RACES[act](one)
    installation.assert_chain_holds()


def test_attack_20_no_command_has_two_outcomes(installation: Installation) -> None:
    for kinds in ("'command.approved','command.denied'", "'command.released','command.expired','command.cancelled'"):
        twice = installation.rows(
            f"SELECT obj FROM audit_event WHERE type IN ({kinds}) GROUP BY obj HAVING count(*) > 1"
        )
        assert twice == []


def test_limited_rule_is_used_as_often_as_it_says(installation: Installation) -> None:
    found = installation.run("limited_rule")
    assert found == {"outcomes": {"released": 5, "pending": 15}, "uses": 5}
    installation.assert_chain_holds()


def test_changes_of_the_whitelist_do_not_mix(installation: Installation) -> None:
    outcomes = installation.run("two_rules")
    assert set(outcomes) <= {"voted", "whitelist_busy"}
    assert outcomes["voted"] >= 1
    (state,) = installation.rows("SELECT whitelist_version, pending_version FROM approvals_queuestate")
    assert state[1] is None
    assert state[0] == outcomes["voted"] + 1
    installation.assert_chain_holds()


def test_attack_12_fifty_writers_and_kill_minus_nine(installation: Installation) -> None:
    acknowledged = [installation.folder / f"acknowledged-{number}" for number in range(WRITERS)]
    processes = []
    for file in acknowledged:
        with file.open("w") as out:
            processes.append(installation.start("write_for_ever", stdout=out, stderr=subprocess.DEVNULL))
    try:
        wait_for(lambda: all(file.stat().st_size > 400 for file in acknowledged))
        for process in processes[::2]:
            process.send_signal(signal.SIGKILL)
        survivors = acknowledged[1::2]
        sizes = [file.stat().st_size for file in survivors]
        wait_for(lambda: all(file.stat().st_size > size + 400 for file, size in zip(survivors, sizes, strict=True)))
    finally:
        for process in processes:
            process.kill()
            process.wait(30)
    ids = {line for file in acknowledged for line in file.read_text().split("\n")[:-1]}
    assert len(ids) > WRITERS * THREADS
    stored = {str(row[0]) for row in installation.rows("SELECT id FROM approvals_commandrequest")}
    recorded = {
        row[0].removeprefix("command:")
        for row in installation.rows("SELECT obj FROM audit_event WHERE type = 'command.submitted'")
    }
    assert ids <= stored
    assert stored == recorded
    installation.assert_chain_holds()


def wait_for(condition: Callable[[], bool], timeout: float = 90) -> None:
    import time

    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # polls for a condition


def test_export_of_all_that_verifies(installation: Installation) -> None:
    """The last word: an auditor's own program on everything that was raced for."""
    script = (
        "import sys, django; django.setup()\n"
        "from django.utils import timezone\n"
        "from audit.export import export_lines\n"
        f"sys.stdout.buffer.writelines(export_lines(__import__('uuid').UUID('{installation.organization}'), now=timezone.now()))"
    )
    export = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=installation.stack.environ,
        capture_output=True,
        check=True,
        timeout=120,
    ).stdout
    import io

    header = json.loads(export.split(b"\n", 1)[0])
    report = verify_export(io.BytesIO(export), Anchor(header["size"], header["head"]))
    assert report.exit_code == 0, report.message
