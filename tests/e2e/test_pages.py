"""Every page, wide and narrow, light and dark: axe, no overflow, no CSP violation, no console noise.

`EXPACTI_SCREENSHOTS=folder` keeps the pictures, and takes all four of each page.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.domain.totp import code_at
from tests.e2e.conftest import step_at_now
from tests.e2e.gallery import PSQL, WANTED, ask_everything
from tests.e2e.studio import HEIGHT, Studio
from tests.e2e.world import World, enter_password, make_world, sign_in
from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.servers]
NOBODY = "00000000-0000-0000-0000-000000000000"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def world(stack: Stack, reviewer_url: str) -> World:
    return make_world(stack, reviewer_url, WANTED)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    given = os.environ.get("EXPACTI_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return Studio(folder, every=bool(given))


@pytest.fixture(autouse=True)
def _nothing_wrong(studio: Studio) -> Iterator[None]:
    studio.faults.clear()
    yield
    assert not studio.faults, studio.verdict()


@pytest.fixture(scope="module")
def states(browser: Any, world: World) -> dict[str, Any]:
    """The sessions of those who look."""
    found = {}
    for name in ("mira", "jonas", "noor"):
        context = browser.new_context()
        page = context.new_page()
        sign_in(page, world.url, world.people[name])
        found[name] = context.storage_state()
        context.close()
    return found


@pytest.fixture(scope="module")
def asked(world: World, browser: Any, states: dict[str, Any]) -> dict[str, Any]:
    """Commands that wait, one of them for two people, and the history before them."""
    agents = {name: world.asker(name) for name in world.agents}
    late = agents["ci-runner"].ask("psql", "--command", PSQL, ttl=10, host="db-1")
    with_mira = browser.new_context(storage_state=states["mira"])
    with_jonas = browser.new_context(storage_state=states["jonas"])
    done = _history(agents, with_mira.request, world.url)
    found = ask_everything(agents)
    policy = f"policies/{_call(with_mira.request, world.url, 'GET', 'policies/')['results'][0]['id']}/"
    _call(with_mira.request, world.url, "PATCH", policy, {"required_approvals": 2})
    found["quorum"] = agents["deploy-bot"].ask(
        "terraform", "apply", "-auto-approve", cwd="/srv/infra", host="bastion", ttl=1800
    )
    _call(with_mira.request, world.url, "PATCH", policy, {"required_approvals": 1})
    _decide(with_jonas.request, world.url, found["quorum"])
    for context in (with_mira, with_jonas):
        context.close()
    while agents["ci-runner"].state(late) != "expired":
        time.sleep(0.2)  # polls for a condition
    return {**done, **found, "expired": late}


def _history(agents: dict[str, Any], request: Any, url: str) -> dict[str, Any]:
    bot, ci = agents["deploy-bot"], agents["ci-runner"]
    found = {
        "executed": bot.ask("systemctl", "restart", "nginx.service", reason="The new certificate is in place."),
        "denied": ci.ask("rm", "-rf", "/var/lib/postgresql/15/main", host="db-1", reason="Free disk space."),
        "failed": bot.ask("pytest", "-q", "--maxfail=1", "tests/integration", host="build-2"),
    }
    for name in ("executed", "failed"):
        _decide(request, url, found[name])
        bot.run(found[name], exit_code=int(name == "failed"))
    _decide(request, url, found["denied"], "deny", "Not on the primary. Use the volume of the replica.")
    return found


def _decide(request: Any, url: str, command: dict[str, Any], verdict: str = "approve", reason: str = "") -> None:
    body = {"verdict": verdict, "reason": reason, "digest": command["digest"]}
    _call(request, url, "POST", f"commands/{command['id']}/decisions/", body)


def _call(request: Any, url: str, method: str, path: str, body: Any = None) -> Any:
    cookies = {item["name"]: item["value"] for item in request.storage_state()["cookies"]}
    headers = {"X-CSRFToken": cookies.get("expacti_csrf", ""), "Referer": url}
    answer = request.fetch(f"{url}/api/v1/{path}", method=method, headers=headers, data=body)
    assert answer.ok, answer.text()
    return answer.json()


@pytest.fixture
def open_page(browser: Any, studio: Studio, world: World) -> Iterator[Open]:
    """Open a path, watched; `state` is a session, `live` waits for the socket."""
    contexts = []

    def opened(path: str, state: Any = None, *, live: bool = False) -> Any:
        contexts.append(browser.new_context(storage_state=state, viewport={"width": 1280, "height": HEIGHT}))
        page = studio.watch(contexts[-1].new_page())
        page.goto(world.url + path)
        if live:
            page.wait_for_selector("#live-pill[data-live-state=live]")
        return page

    yield opened
    for context in contexts:
        context.close()


def test_signing_in(studio: Studio, open_page: Open, world: World) -> None:
    page = open_page("/sign-in/")
    studio.shoot(page, "sign-in")
    enter_password(page, world.url, world.people["aiko"], "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    studio.shoot(page, "sign-in-wrong")
    enter_password(page, world.url, world.people["aiko"])
    page.wait_for_url("**/verify/**")
    studio.shoot(page, "verify")
    page.get_by_role("link", name="Use a backup code").click()
    page.wait_for_url("**method=backup**")
    studio.shoot(page, "verify-backup")


def test_enrolling(studio: Studio, open_page: Open, world: World) -> None:
    page = open_page("/sign-in/")
    enter_password(page, world.url, world.people["newcomer"])
    page.wait_for_url("**/authenticator/**")
    studio.shoot(page, "totp-enrol")
    page.goto(world.url + "/account/security/")
    studio.shoot(page, "security-without-factor")
    page.goto(world.url + "/account/security/authenticator/")
    seed = page.locator("#totp-secret").inner_text().replace(" ", "")
    page.locator("input[name=code]").fill(code_at(seed, step_at_now()))
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator("#backup-codes li")).to_have_count(10)
    studio.shoot(page, "backup-codes-shown")


def test_account(studio: Studio, open_page: Open, states: dict[str, Any], world: World) -> None:
    page = open_page("/account/security/", states["jonas"], live=True)
    studio.shoot(page, "security")
    page.locator("summary[aria-label^='Your account']").click()
    studio.shoot(page, "account-menu", full=False, within="details[open]")
    page.goto(world.url + "/account/security/password/")
    for name, value in (("current", "x"), ("new", "short"), ("again", "other")):
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("[aria-invalid]").first).to_be_visible()
    studio.shoot(page, "password-change-wrong")
    page.goto(world.url + "/account/security/backup-codes/")
    studio.shoot(page, "backup-codes-new")


def test_empty_queue(studio: Studio, open_page: Open, states: dict[str, Any]) -> None:
    page = open_page("/", states["noor"], live=True)
    expect(page.get_by_role("heading", name="Nothing has asked yet")).to_be_visible()
    studio.shoot(page, "queue-first-steps")


def test_queue(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any]) -> None:
    page = open_page("/", states["mira"], live=True)
    expect(page.locator("#queue-cards > [data-card]")).to_have_count(7)
    studio.shoot(page, "queue")
    page.screenshot(path=studio.folder / "queue-light.png")
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=studio.folder / "queue-dark.png")
    page.locator("summary[aria-label^='Organization']").click()
    studio.shoot(page, "organization-menu", full=False, within="details[open]")


@pytest.mark.parametrize("name", ["plain", "hidden", "risky"])
def test_approve_dialog(
    studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any], name: str
) -> None:
    path = "/" if name == "plain" else f"/commands/{asked[name]['id']}/"
    page = open_page(path, states["mira"], live=True)
    page.locator(f"[data-opens=approve-{asked[name]['id']}]").click()
    expect(page.locator(f"#approve-{asked[name]['id']}")).to_be_visible()
    studio.shoot(page, f"approve-{name}", full=False)


def test_deny_dialog(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any]) -> None:
    page = open_page("/", states["mira"], live=True)
    page.locator(f"#card-{asked['shell']['id']} [data-action=deny]").click()
    expect(page.locator(f"#deny-{asked['shell']['id']}")).to_be_visible()
    studio.shoot(page, "deny", full=False)


def test_whitelist_dialog(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any]) -> None:
    page = open_page("/", states["mira"], live=True)
    page.locator(f"#card-{asked['plain']['id']} [data-action=whitelist]").click()
    dialog = page.locator("#whitelist-dialog")
    expect(dialog).to_be_visible()
    studio.shoot(page, "whitelist", full=False)
    dialog.get_by_label("Pattern").fill("git **")
    expect(dialog.get_by_label("I understand, and want this rule")).to_be_attached()
    dialog.evaluate("(d) => d.scrollTo(0, d.scrollHeight)")
    studio.shoot(page, "whitelist-warning", full=False)


@pytest.mark.parametrize("name", ["shell", "risky", "hidden", "quorum", "executed", "failed", "denied", "expired"])
def test_command(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any], name: str) -> None:
    page = open_page(f"/commands/{asked[name]['id']}/", states["mira"], live=True)
    studio.shoot(page, f"command-{name}")


def test_history(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any], world: World) -> None:
    page = open_page("/commands/", states["mira"], live=True)
    studio.shoot(page, "history")
    page.goto(world.url + "/commands/?q=nothing-like-this")
    studio.shoot(page, "history-none")
    page.goto(world.url + "/commands/?since=yesterday")
    studio.shoot(page, "history-wrong-date")


def test_agents(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any], world: World) -> None:
    page = open_page("/agents/", states["mira"], live=True)
    studio.shoot(page, "agents")
    page.keyboard.press("?")
    studio.shoot(page, "keyboard-help", full=False)
    page.goto(f"{world.url}/agents/{world.agents['deploy-bot']}/")
    studio.shoot(page, "agent")
    page.get_by_role("button", name="Revoke").click()
    studio.shoot(page, "agent-revoke", full=False)
    page.keyboard.press("Escape")
    page.get_by_label("Note").fill("build-2")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#new-key")).to_contain_text("exp_")
    studio.shoot(page, "key-created")
    page.goto(world.url + "/agents/new/")
    studio.shoot(page, "agent-new")


def test_no_agents(studio: Studio, open_page: Open, states: dict[str, Any]) -> None:
    studio.shoot(open_page("/agents/", states["noor"], live=True), "agents-none")


def test_audit(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any], world: World) -> None:
    page = open_page("/audit/", states["mira"], live=True)
    studio.shoot(page, "audit")
    page.goto(world.url + "/audit/?type=queue.frozen")
    studio.shoot(page, "audit-none")


def test_refusals(studio: Studio, open_page: Open, states: dict[str, Any], world: World) -> None:
    page = open_page("/audit/", states["jonas"], live=True)
    studio.shoot(page, "denied")
    page.goto(world.url + "/no/such/page/")
    studio.shoot(page, "not-found")
    page.goto(f"{world.url}/commands/{NOBODY}/")
    studio.shoot(page, "command-not-found")
    page = open_page("/commands/")
    studio.shoot(page, "signed-out")


def test_admin(studio: Studio, open_page: Open, states: dict[str, Any], asked: dict[str, Any], world: World) -> None:
    page = open_page("/admin/", states["mira"])
    studio.shoot(page, "admin")
    for name, link in (("members", "Memberships"), ("agents", "Agents"), ("policies", "Approval policies")):
        page.goto(world.url + "/admin/")
        page.get_by_role("link", name=link, exact=True).click()
        page.wait_for_load_state()
        studio.shoot(page, f"admin-{name}")
        first = page.locator("#result_list tbody th a").first
        if first.count():
            first.click()
            page.wait_for_load_state()
            studio.shoot(page, f"admin-{name}-change")
