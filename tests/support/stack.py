"""Expacti as its user starts it: `scripts/run.sh` in a state folder of its own, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import psycopg

from tests.support import servers

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 90
POLL_S = 0.1


@dataclass
class Person:
    """A demo sign-in."""

    email: str
    password: str
    seed: str


@dataclass
class Stack:
    """One installation: its state, its people, its server processes."""

    state: Path
    environ: dict[str, str]
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    @property
    def port(self) -> int:
        return next(iter(self.processes))

    @property
    def demo(self) -> dict[str, object]:
        return json.loads((self.state / "demo.json").read_text())

    def people(self) -> dict[str, Person]:
        """Return owner, reviewer1 and reviewer2."""
        found = {}
        for item in self.demo["people"]:  # type: ignore[attr-defined]
            seed = parse_qs(urlsplit(item["otpauth"]).query)["secret"][0]
            found[item["email"].split("@")[0]] = Person(item["email"], item["password"], seed)
        return found

    def start(self, port: int | None = None, *, seed: bool = True) -> int:
        """Start a server process; with `seed` by the whole of scripts/run.sh."""
        port = port or servers.free_port()
        command = ["bash", "scripts/run.sh"] if seed else [sys.executable, "manage.py", "serve", "--port", str(port)]
        environ = {**self.environ, "PORT": str(port)}
        with self.log(port).open("ab") as log:
            self.processes[port] = subprocess.Popen(
                command, cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_ready(port)
        return port

    def log(self, port: int) -> Path:
        """Return the file that holds what a server process printed."""
        return self.state.parent / f"server-{port}.log"

    def wait_ready(self, port: int) -> None:
        """Wait until the server answers; fail with its log when it ends."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            code = self.processes[port].poll()
            assert code is None, f"the server ended with {code}:\n{self.log(port).read_text()}"
            try:
                with urlopen(self.url(port) + "/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(POLL_S)  # polls for a condition
        raise AssertionError("the server did not become ready")

    def kill(self, port: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End a server process, by default at once."""
        process = self.processes.pop(port)
        os.killpg(process.pid, how)
        process.wait(timeout=30)

    def stop(self) -> None:
        """End every server process."""
        for port in list(self.processes):
            self.kill(port, signal.SIGTERM)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command on this installation."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def client_environ(self, port: int, home: Path) -> dict[str, str]:
        """Return the agent's environment, with nothing of ours in it."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "EXPACTI_CONFIG_DIR": str(home / "config"),
            "EXPACTI_URL": self.url(port),
            "EXPACTI_TOKEN": str(self.demo["agent_key"]),
            "EXPACTI_ISSUER": self.environ["EXPACTI_PUBLIC_URL"],
        }


def make_stack(folder: Path, *, port: int, databases: dict[str, str] | None = None) -> Stack:
    """Describe an installation in `folder`; `databases` points it at PostgreSQL and Redis."""
    dropped = ("DATABASE", "REDIS", "EXPACTI", "DJANGO", "WHITELIST", "PYTEST")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environ.update(databases or {})
    environ["EXPACTI_STATE_DIR"] = str(folder / "state")
    environ["DJANGO_SETTINGS_MODULE"] = "expacti.settings.embedded"
    environ["EXPACTI_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    environ["EXPACTI_SWEEP_INTERVAL_S"] = "1"
    environ["PYTHONWARNINGS"] = "ignore"
    (folder / "state").mkdir(parents=True, exist_ok=True)
    return Stack(folder / "state", environ)


def make_databases(name: str) -> dict[str, str]:
    """Create two databases of its own on the test run's PostgreSQL; return what points at them.

    Exactly the four variables of the readme: the whitelist's database is owned by who serves it.
    """
    owner = os.environ["DATABASE_OWNER_URL"]
    main, rules = (owner.replace("/postgres?", f"/{name}_{part}?") for part in ("main", "rules"))
    with psycopg.connect(owner, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'expacti_app'").fetchone() is None:
            connection.execute("CREATE ROLE expacti_app LOGIN")
        connection.execute(f"CREATE DATABASE {name}_main")
        connection.execute(f"CREATE DATABASE {name}_rules OWNER expacti_app")
    return {
        "DATABASE_OWNER_URL": main,
        "DATABASE_URL": main.replace("postgres:@", "expacti_app:@"),
        "WHITELIST_DATABASE_URL": rules.replace("postgres:@", "expacti_app:@"),
        "REDIS_URL": os.environ["REDIS_URL"],
    }
