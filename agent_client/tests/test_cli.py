"""The command as a user meets it: exit codes, streams, terminals, signals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from expacti_agent.cli import _main
from standin import TOKEN, Key, Server, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPACTI = [sys.executable, "-m", "expacti_agent"]
pytestmark = pytest.mark.usefixtures("configured")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """In-process runs change handlers; leave pytest's own."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def in_terminal(*args: str) -> tuple[int, int]:
    """Start expacti as the leader of a session of its own with a terminal; (pid, master)."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*EXPACTI, *args])
    return pid, master


def read_until(master: int, pattern: str, seconds: float = 15) -> str:
    text = ""
    until = time.monotonic() + seconds
    while not re.search(pattern, text):
        assert time.monotonic() < until, text
        if select.select([master], [], [], 0.1)[0]:
            try:
                text += os.read(master, 65536).decode("utf-8", "replace")
            except OSError:  # the other end is closed
                break
    assert re.search(pattern, text), text
    return text


def end_of(pid: int, master: int) -> int:
    status = os.waitpid(pid, 0)[1]
    os.close(master)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--", "true"], 0),
        (["true"], 0),
        (["--", "sh", "-c", "exit 7"], 7),
        (["-c", "exit 8", "--shell", "/bin/sh"], 8),
        (["--", "sh", "-c", "kill -9 $$"], 137),
        (["--", "no-such-program"], 127),
        (["--cwd", "/no/such/folder", "--", "true"], 125),
        (["--ttl", "1", "--", "true"], 125),
        (["--bogus", "--", "true"], 125),
        ([], 125),
        (["-c", "true", "--", "true"], 125),
        (["--", "echo", "\udcff"], 125),
    ],
)
def test_exit_codes(args: list[str], code: int, configured: StandIn) -> None:
    assert _main(["run", *args]) == code
    if code in (125, 127):
        assert configured.commands == {}


@pytest.mark.parametrize(
    ("state", "denial", "code", "words"),
    [
        ("denied", "reviewer", 126, "reviewer: not \\x1b[2J now"),
        ("cancelled", "", 126, "cancelled"),
        ("expired", "", 124, "expired"),
    ],
)
def test_refusals(
    state: str,
    denial: str,
    code: int,
    words: str,
    configured: StandIn,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    configured.policy = "pending"
    timer = threading.Timer(0.2, configured.decide, [state, denial, "not \x1b[2J now"])
    timer.start()
    assert _main(["run", "--", "touch", str(tmp_path / "marker")]) == code
    timer.join()
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert "did not run" in err
    assert "\x1b" not in err
    assert not (tmp_path / "marker").exists()


def test_a_yes_without_a_grant(
    configured: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configured.forge = lambda _claims: None
    assert _main(["run", "--", "touch", str(tmp_path / "marker")]) == 125
    assert "did not run" in capfd.readouterr().err
    assert not (tmp_path / "marker").exists()


def test_streams_are_the_childs(configured: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    assert _main(["whoami"]) == 0
    capfd.readouterr()
    assert _main(["run", "--capture-digest", "--", "sh", "-c", "echo out; echo err >&2"]) == 0
    first = capfd.readouterr()
    assert first.out == "out\n"
    assert first.err.endswith("err\n")
    assert "trusted from now on" in first.err
    assert _main(["run", "--", "sh", "-c", "echo out; echo err >&2"]) == 0
    assert capfd.readouterr() == ("out\n", "err\n")
    inherited, captured = [c["result"] for c in reversed(list(configured.commands.values()))]
    assert inherited["output_sha256"] is None
    assert len(captured["output_sha256"]) == 64


def test_json_lines(configured: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    configured.policy = "pending"
    timer = threading.Timer(0.3, configured.decide, ["approved"])
    timer.start()
    assert _main(["run", "--json", "--", "echo", "hi"]) == 0
    timer.join()
    out, err = capfd.readouterr()
    assert out == "hi\n"
    events = [json.loads(line) for line in err.splitlines()]
    names = [event["event"] for event in events]
    assert names == ["note", "submitting", "waiting", "granted", "finished"]
    configured.policy = "denied"
    assert _main(["run", "--json", "--", "echo", "hi"]) == 126
    last = json.loads(capfd.readouterr().err.splitlines()[-2])
    assert (last["event"], last["code"], last["ran"]) == ("denied", "rule", False)


@pytest.mark.parametrize(("mode", "shown"), [("none", ""), ("file", "some bytes")])
def test_stdin(mode: str, shown: str) -> None:
    done = subprocess.run(
        [*EXPACTI, "run", "--stdin", mode, "--", "cat"],
        input=b"some bytes",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout.decode()) == (0, shown)


def test_environment_that_the_child_gets(
    configured: StandIn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("LD_PRELOAD", ""), ("GIVEN", "g"), ("TERM", "vt100"), ("LC_TIME", "C")):
        monkeypatch.setenv(name, value)
    for name in ("LANG", "TZ", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    options = ["--env", "GIVEN", "--env", "SET=a=b", "--env", "USER", "--env", "ABSENT"]
    monkeypatch.delenv("USER", raising=False)
    assert _main(["run", *options, "--", "env"]) == 0
    names = dict(line.split("=", 1) for line in capfd.readouterr().out.splitlines())
    assert names.pop("SET") == "a=b"
    assert set(names) == {"PATH", "LANG", "HOME", "LOGNAME", "SHELL", "TERM", "LC_TIME", "GIVEN"}
    (command,) = configured.commands.values()
    assert command["body"]["env"]["USER"] is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_waiting_cancels(number: int, configured: StandIn) -> None:
    configured.policy = "pending"
    process = start("run", "--", "true")
    wait_until(lambda: "release" in configured.paths())
    process.send_signal(number)
    err = process.communicate(timeout=10)[1].decode()
    assert process.returncode == 128 + number
    assert "waiting for approval" in err
    assert "did not run" in err
    assert configured.paths()[-1] == "cancel"


@pytest.mark.parametrize("option", ["--quiet", "--capture-digest"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_reach_the_child_once(
    number: int, option: str, configured: StandIn, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    process = start(
        "run", option, "--", sys.executable, "-c", COUNTER, str(int(number)), str(ready)
    )
    wait_until(ready.exists)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == 41
    wait_until(lambda: configured.paths()[-1] == "result")


COUNTER = """
import pathlib, signal, sys, time
count = 0
def on(*_):
    global count
    count += 1
signal.signal(int(sys.argv[1]), on)
pathlib.Path(sys.argv[2]).touch()
until = time.monotonic() + 5
while not count and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(0.3)
sys.exit(40 + count)
"""


def test_ctrl_c_while_waiting_in_a_terminal(configured: StandIn) -> None:
    configured.policy = "pending"
    pid, master = in_terminal("run", "--reason", "why", "--", "rm", "a\x1b]0;owned\x07b")
    text = read_until(master, r"commands/[0-9a-f-]{36}")
    assert "waiting for approval" in text
    assert "\\x1b]0;owned" in text
    assert "\x1b]0" not in text
    os.write(master, b"\x03")
    read_until(master, "did not run")
    assert end_of(pid, master) == 130
    assert configured.paths()[-1] == "cancel"


def test_ctrl_c_reaches_the_child_once_in_a_terminal(configured: StandIn, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = ["run", "--", sys.executable, "-c", COUNTER, "2", str(ready)]
    pid, master = in_terminal(*command)
    wait_until(ready.exists)
    os.write(master, b"\x03")
    assert end_of(pid, master) == 41
    assert configured.paths()[-1] == "result"


def test_the_terminal_is_the_childs(configured: StandIn) -> None:
    configured.forge = lambda claims: configured.key.sign({**claims, "by": "review"})
    script = "test -t 0 && test -t 1 && read line && echo got:$line"
    pid, master = in_terminal("run", "--stdin", "open", "--", "sh", "-c", script)
    wait_until(lambda: len(configured.grants) > 0)
    os.write(master, b"typed\n")
    read_until(master, "got:typed")
    assert end_of(pid, master) == 0


def test_a_server_killed_while_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    standin = StandIn(policy="pending")
    server = Server(standin)
    monkeypatch.setenv("EXPACTI_URL", standin.url)

    def kill() -> None:
        wait_until(lambda: "release" in standin.paths())
        standin.hold = False
        server.stop()

    killer = threading.Thread(target=kill)
    killer.start()
    assert _main(["run", "--ttl", "10", "--", "touch", str(tmp_path / "marker")]) == 125
    killer.join()
    err = capfd.readouterr().err
    assert "server unreachable" in err
    assert "the command did not run" in err
    assert not (tmp_path / "marker").exists()


def test_requests(configured: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    configured.policy = "pending"
    assert _main(["request", "create", "--json", "--", "true"]) == 0
    created = json.loads(capfd.readouterr().out)
    assert created["state"] == "pending"
    assert _main(["request", "show", created["id"]]) == 0
    assert "pending" in capfd.readouterr().out
    assert _main(["request", "wait", "--timeout", "1", created["id"]]) == 125
    assert _main(["request", "cancel", created["id"], "--reason", "no need"]) == 0
    assert _main(["request", "wait", created["id"]]) == 126
    assert _main(["request", "show", "../agent"]) == 125
    assert _main(["request", "show", "11111111-2222-4333-8444-555555555555"]) == 125


def test_login_and_what_it_stores(
    configured: StandIn,
    environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("EXPACTI_URL")
    monkeypatch.delenv("EXPACTI_TOKEN")
    old = os.umask(0)
    try:
        done = subprocess.run(
            [*EXPACTI, "login", "--url", configured.url, "--token-stdin"],
            input=f"{TOKEN}\n".encode(),
            capture_output=True,
            check=False,
        )
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    assert configured.key.kid in done.stdout.decode()
    assert TOKEN.encode() not in done.stdout + done.stderr
    path = environment / "profiles/default.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert environment.stat().st_mode & 0o777 == 0o700
    assert _main(["run", "--", "true"]) == 0
    assert _main(["doctor"]) == 0
    # Another profile, with the key in a file that stays where it is.
    file = tmp_path / "token"
    file.write_text(TOKEN)
    options = ["--token-file", str(file), "--profile", "ci"]
    assert _main(["login", "--url", configured.url, *options]) == 0
    assert TOKEN not in (environment / "profiles/ci.json").read_text()
    monkeypatch.setenv("EXPACTI_PROFILE", "ci")
    assert _main(["whoami"]) == 0
    # A profile that others can read is not used.
    path.chmod(0o644)
    assert _main(["run", "--profile", "default", "--", "true"]) == 125
    assert "chmod 600" in capfd.readouterr().err
    assert _main(["doctor", "--profile", "default"]) == 125


def test_login_without_a_terminal_does_not_ask(configured: StandIn) -> None:
    done = subprocess.run(
        [*EXPACTI, "login", "--url", configured.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 125
    assert b"--token-stdin" in done.stderr


def test_login_asks_in_a_terminal_without_echo(configured: StandIn) -> None:
    pid, master = in_terminal("login", "--url", configured.url)
    read_until(master, "API key")
    os.write(master, f"{TOKEN}\n".encode())
    text = read_until(master, "Compare")
    assert end_of(pid, master) == 0
    assert TOKEN not in text


@pytest.mark.parametrize("name", ["../x", ".hidden", "", "a/b"])
def test_profile_names(name: str) -> None:
    expected = 0 if name == "" else 125  # empty is none
    assert _main(["run", "--profile", name, "--", "true"]) == expected


def test_nothing_is_configured(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("EXPACTI_URL")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/default.json").write_text('{"version":1,"url":"https://evil.example"}')
    monkeypatch.chdir(tmp_path)  # never read from here
    assert _main(["run", "--", "true"]) == 125
    assert "expacti login" in capfd.readouterr().err
    monkeypatch.setenv("EXPACTI_CONFIG_DIR", ".")
    assert _main(["run", "--", "true"]) == 125


def test_doctor(
    configured: StandIn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def findings() -> dict[str, Any]:
        _main(["doctor", "--json"])
        report = json.loads(capfd.readouterr().out)
        return {one["check"]: one["status"] for one in report["findings"]}

    assert findings()["grant key"] == "warn"
    _main(["run", "--", "true"])
    capfd.readouterr()
    assert {findings()[name] for name in ("ledger", "clock", "grant key", "permissions")} == {"ok"}
    configured.clock_offset = 60
    assert findings()["clock"] == "warn"
    configured.key = Key()
    assert findings()["grant key"] == "fail"
    configured.trouble = lambda *_: (401, {"code": "key_revoked"})
    assert findings()["server and API key"] == "fail"
    monkeypatch.setenv("EXPACTI_TOKEN", "exp_wrong")
    assert findings()["configuration"] == "fail"


def test_quiet(configured: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    _main(["run", "--", "true"])
    capfd.readouterr()
    configured.policy = "pending"
    timer = threading.Timer(0.2, configured.decide, ["approved"])
    timer.start()
    assert _main(["run", "--quiet", "--", "true"]) == 0
    timer.join()
    assert capfd.readouterr() == ("", "")


def start(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*EXPACTI, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until(condition: Any, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
