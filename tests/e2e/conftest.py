"""One installation, and one chromium, for the whole run."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.domain.totp import code_at, step_at
from tests.support import servers
from tests.support.stack import Person, Stack, make_databases, make_stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """SQLite: one process. PostgreSQL and Redis: two, the agent's and the reviewer's."""
    folder = tmp_path_factory.mktemp("stack")
    port = servers.free_port()
    databases = make_databases(f"e2e_{uuid.uuid4().hex[:8]}") if ON_POSTGRES else None
    made = make_stack(folder, port=port, databases=databases)
    made.environ["EXPACTI_SIGN_IN_FAILURE_LIMIT"] = "4"
    made.start(port)
    if ON_POSTGRES:
        made.start(seed=False)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def agent_port(stack: Stack) -> int:
    """The process that the agent talks to."""
    return list(stack.processes)[-1]


@pytest.fixture(scope="session")
def reviewer_url(stack: Stack) -> str:
    """The process that the reviewers' browsers talk to."""
    return stack.url(stack.port)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's chromium under playwright."""
    if CHROMIUM is None:
        reason = "chromium is missing. Remedy: sudo apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def sign_in(page: Any, url: str, person: Person) -> None:
    """Sign in as a person would: address, password, code."""
    page.goto(url + "/sign-in/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/verify/**")
    page.locator("input[name=code]").fill(code_at(person.seed, step_at_now()))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(url + "/")


def step_at_now() -> int:
    """Return the current TOTP step."""
    from datetime import UTC, datetime

    return step_at(datetime.now(UTC))


@pytest.fixture(scope="session")
def sessions(browser: Any, stack: Stack, reviewer_url: str) -> dict[str, Any]:
    """Each person signed in once: a code counts once, and so does waiting for the next."""
    states = {}
    for name, person in stack.people().items():
        context = browser.new_context()
        page = context.new_page()
        sign_in(page, reviewer_url, person)
        states[name] = context.storage_state()
        context.close()
    return states


@pytest.fixture
def reviewer(browser: Any, sessions: dict[str, Any], reviewer_url: str) -> Iterator[Any]:
    """A reviewer's page on the queue, its socket live."""
    context = browser.new_context(storage_state=sessions["reviewer1"])
    page = context.new_page()
    page.goto(reviewer_url + "/")
    page.wait_for_selector("#live-pill[data-live-state=live]")
    yield page
    context.close()


@pytest.fixture
def private_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation that a test may kill."""
    folder = tmp_path_factory.mktemp("private")
    port = servers.free_port()
    databases = make_databases(f"own_{uuid.uuid4().hex[:8]}") if ON_POSTGRES else None
    made = make_stack(folder, port=port, databases=databases)
    made.start(port)
    yield made
    made.stop()


@pytest.fixture
def open_queue(browser: Any) -> Iterator[Any]:
    """Sign a reviewer in at an installation and return the live queue."""
    contexts = []

    def open_at(stack: Stack) -> Any:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        url = stack.url(stack.port)
        sign_in(page, url, stack.people()["reviewer1"])
        page.wait_for_selector("#live-pill[data-live-state=live]")
        return page

    yield open_at
    for context in contexts:
        context.close()
