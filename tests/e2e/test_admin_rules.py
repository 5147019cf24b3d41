"""A rule kept in Django admin, on a real server: two databases, each with its own transactions."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.servers]


def run(stack: Stack, port: int, home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["expacti", "run", "--ttl", "10", "--", *argv],
        cwd=home,
        env=stack.client_environ(port, home),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def add_rule(page: Any, pattern: str, *, confirm: bool = False) -> None:
    page.locator("select[name=kind]").select_option("argv_glob")
    page.locator("textarea[name=pattern]").fill(pattern)
    page.locator("input[name=reason]").fill("kept by the admin")
    if confirm:
        page.locator("input[name=accept_warnings]").check()
    page.locator("input[name=_save]").click()


def test_rule_is_added_warned_of_and_retired(
    browser: Any, sessions: dict[str, Any], reviewer_url: str, stack: Stack, agent_port: int, tmp_path: Path
) -> None:
    context = browser.new_context(storage_state=sessions["owner"])
    page = context.new_page()
    add = f"{reviewer_url}/admin/whitelist/whitelistrule/add/"

    # A rule that lets more through than it seems is not saved unasked.
    page.goto(add)
    add_rule(page, "git **")
    expect(page.locator(".messagelist")).to_contain_text("Confirm")

    # A plain one is, and the next command needs nobody.
    page.goto(add)
    add_rule(page, "id -u")
    page.wait_for_url("**/whitelistrule/")
    expect(page.locator("#result_list")).to_contain_text("id -u")
    ran = run(stack, agent_port, tmp_path, "id", "-u")
    assert (ran.returncode, ran.stdout.strip().isdigit()) == (0, True), ran.stderr

    # Retired, it approves nothing.
    page.locator("#result_list tr", has_text="id -u").locator("input.action-select").check()
    page.locator("select[name=action]").select_option("retire")
    page.get_by_role("button", name=re.compile("Go|Run")).click()
    expect(page.locator(".messagelist")).to_contain_text("1 retired")
    assert run(stack, agent_port, tmp_path, "id", "-u").returncode == 124

    # The whitelist goes on: another rule can be added, and the log holds.
    page.goto(add)
    add_rule(page, "id -g")
    page.wait_for_url("**/whitelistrule/")
    context.close()
    assert stack.manage("verify_audit").returncode == 0
