"""The main job: a human approves a real command, or does not, and what runs follows from it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.servers]
ONE_SECOND_MS = 1_000
APPROVED, DENIED, EXPIRED, FAILED = 0, 126, 124, 125


class Waiting:
    """A run under way. Its lines on stderr are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == "waiting":
                break
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.lines += [json.loads(line) for line in self.process.stderr if line.startswith("{")]

    @property
    def id(self) -> str:
        return str(self.lines[-1]["id"]) if self.lines else ""

    def stop(self) -> None:
        """End it, and close what it printed on."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._reader.join(30)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def exit_code(self, timeout: float = 40) -> int:
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code


class Agent:
    """`expacti run` in a folder of its own, as an agent starts it."""

    def __init__(self, stack: Stack, port: int, folder: Path) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        for made in (self.folder, self.home):
            made.mkdir()
        self.environ = stack.client_environ(port, self.home)
        self.started: list[Waiting] = []

    def run(self, *arguments: str) -> Waiting:
        """Start it, and return once it says that it waits."""
        process = subprocess.Popen(
            ["expacti", "run", "--json", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(Waiting(process))
        return self.started[-1]

    def file(self, name: str) -> Path:
        return self.folder / name

    def stop(self) -> None:
        for waiting in self.started:
            waiting.stop()


@pytest.fixture
def agent(stack: Stack, agent_port: int, tmp_path: Path) -> Iterator[Agent]:
    made = Agent(stack, agent_port, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def private_agent(private_stack: Stack, tmp_path: Path) -> Iterator[Agent]:
    made = Agent(private_stack, private_stack.port, tmp_path)
    yield made
    made.stop()


def card(page: Any, command_id: str) -> Any:
    return page.locator(f"#card-{command_id}")


def approve(page: Any, command_id: str) -> None:
    card(page, command_id).get_by_role("button", name=re.compile("^Approve$")).click()
    page.locator(f"#approve-{command_id}").get_by_role("button", name="Approve").click()


def deny(page: Any, command_id: str, reason: str) -> None:
    card(page, command_id).get_by_role("button", name=re.compile("^Deny")).click()
    dialog = page.locator(f"#deny-{command_id}")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Deny").click()


def test_approved_command_runs(agent: Agent, reviewer: Any) -> None:
    waiting = agent.run("--", "sh", "-c", "echo hello > hello.txt")
    expect(card(reviewer, waiting.id)).to_be_visible(timeout=ONE_SECOND_MS)
    assert not agent.file("hello.txt").exists()
    approve(reviewer, waiting.id)
    assert waiting.exit_code() == APPROVED, waiting.lines
    assert agent.file("hello.txt").read_text() == "hello\n"


def test_denied_command_does_not_run(agent: Agent, reviewer: Any) -> None:
    waiting = agent.run("--", "sh", "-c", "echo hello > hello.txt")
    expect(card(reviewer, waiting.id)).to_be_visible(timeout=ONE_SECOND_MS)
    deny(reviewer, waiting.id, "not today")
    assert waiting.exit_code() == DENIED
    assert "not today" in json.dumps(waiting.lines)
    assert not agent.file("hello.txt").exists()


def test_expired_command_does_not_run(agent: Agent, reviewer: Any) -> None:
    waiting = agent.run("--ttl", "10", "--", "sh", "-c", "echo hello > hello.txt")
    expect(card(reviewer, waiting.id)).to_be_visible(timeout=ONE_SECOND_MS)
    assert waiting.exit_code() == EXPIRED
    assert not agent.file("hello.txt").exists()
    expect(card(reviewer, waiting.id)).to_have_attribute("data-state", "expired", timeout=5_000)


def test_exit_code_output_and_arguments_pass_through(agent: Agent, reviewer: Any) -> None:
    waiting = agent.run("--", "sh", "-c", 'printf "%s|" "$@"; exit 7', "x", "a b", "", "é")
    expect(card(reviewer, waiting.id)).to_be_visible(timeout=ONE_SECOND_MS)
    approve(reviewer, waiting.id)
    assert waiting.process.stdout is not None
    assert waiting.process.stdout.read() == "a b||é|"
    assert waiting.exit_code() == 7


def test_keyboard_alone_approves(agent: Agent, reviewer: Any) -> None:
    waiting = agent.run("--", "touch", "by-keyboard")
    expect(card(reviewer, waiting.id)).to_be_visible(timeout=ONE_SECOND_MS)
    reviewer.keyboard.press("j")
    reviewer.keyboard.press("a")
    expect(reviewer.locator(f"#approve-{waiting.id}")).to_be_visible()
    reviewer.keyboard.press("a")
    reviewer.keyboard.press("Enter")
    assert waiting.exit_code() == APPROVED, waiting.lines
    assert agent.file("by-keyboard").exists()


def test_server_killed_while_waiting_then_restarted(
    private_stack: Stack, private_agent: Agent, open_queue: Callable[[Stack], Any]
) -> None:
    port, agent = private_stack.port, private_agent
    waiting = agent.run("--", "sh", "-c", "echo hello > hello.txt")
    private_stack.kill(port, signal.SIGKILL)
    private_stack.start(port, seed=False)
    page = open_queue(private_stack)
    expect(card(page, waiting.id)).to_be_visible()
    assert waiting.process.poll() is None
    assert not agent.file("hello.txt").exists()
    approve(page, waiting.id)
    assert waiting.exit_code() == APPROVED, waiting.lines
    assert agent.file("hello.txt").exists()
    assert private_stack.manage("verify_audit").returncode == 0


def test_server_killed_for_good_is_125(private_stack: Stack, private_agent: Agent) -> None:
    port, agent = private_stack.port, private_agent
    waiting = agent.run("--ttl", "10", "--", "sh", "-c", "echo hello > hello.txt")
    private_stack.kill(port, signal.SIGKILL)
    assert waiting.exit_code() == FAILED, waiting.lines
    assert not agent.file("hello.txt").exists()


def test_audit_export_of_all_this_verifies(
    stack: Stack, sessions: dict[str, Any], browser: Any, reviewer_url: str, tmp_path: Path
) -> None:
    checked = stack.manage("verify_audit")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    context = browser.new_context(storage_state=sessions["owner"])
    answer = context.request.get(reviewer_url + "/api/v1/audit/export/")
    assert answer.status == 200
    file = tmp_path / "export.jsonl"
    file.write_bytes(answer.body())
    context.close()
    header = json.loads(file.read_text().splitlines()[0])
    head = f"{header['size']}:{header['head']}"
    assert header["size"] > 10
    assert _verify(file, "--head", head) == 0
    assert _verify(file) == 2
    damaged = file.read_bytes().replace(b'"verdict":"approve"', b'"verdict":"Approve"', 1)
    file.write_bytes(damaged)
    assert _verify(file, "--head", head) == 1


def _verify(file: Path, *arguments: str) -> int:
    command = [str(Path(sys.executable).parent / "expacti"), "verify", str(file), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode
