"""What pages do: signing in, deciding together, losing the server or the session, hostile text."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.domain.totp import code_at
from tests.e2e.asking import Asker
from tests.e2e.conftest import step_at_now
from tests.e2e.studio import Studio
from tests.e2e.world import World, enter_password, make_world, sign_in
from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.servers]
PROBE = '<img src=x onerror="window.owned=1"></script><script>window.owned=1</script>'
WANTED = {
    "domain": "southwind.example",
    "people": [
        ("olga", "Olga", True),
        ("rhea", "Rhea", True),
        ("rolf", "Rolf", True),
        ("gone", "Gero", True),
        ("locked", "Lotte", True),
        ("fresh", "Frida", False),
    ],
    "organizations": [
        {
            "name": "Southwind",
            "slug": "southwind",
            "members": [
                ("olga", "owner"),
                ("rhea", "reviewer"),
                ("rolf", "reviewer"),
                ("gone", "reviewer"),
                ("locked", "reviewer"),
                ("fresh", "reviewer"),
            ],
            "agents": [("builder", ""), (PROBE[:80], PROBE)],
        },
        {"name": "Eastwind", "slug": "eastwind", "members": [("rolf", "owner")], "agents": []},
    ],
}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def world(stack: Stack, reviewer_url: str) -> World:
    return make_world(stack, reviewer_url, WANTED)


@pytest.fixture(scope="module")
def asker(world: World, stack: Stack, agent_port: int) -> Asker:
    return world.asker("builder", stack.url(agent_port))


@pytest.fixture(scope="module")
def states(browser: Any, world: World) -> Callable[[str], Any]:
    """A session for each person, signed in when first asked for."""
    found: dict[str, Any] = {}

    def state_of(name: str) -> Any:
        if name not in found:
            context = browser.new_context()
            sign_in(context.new_page(), world.url, world.people[name])
            found[name] = context.storage_state()
            context.close()
        return found[name]

    return state_of


@pytest.fixture
def open_page(browser: Any, world: World, states: Callable[[str], Any]) -> Iterator[Open]:
    """Open a path as somebody, in a browser of its own; on live pages wait for the socket."""
    contexts = []

    def opened(path: str = "/", who: str | None = None, *, live: bool = True, **options: Any) -> Any:
        contexts.append(browser.new_context(storage_state=states(who) if who else None, **options))
        page = contexts[-1].new_page()
        page.goto(world.url + path)
        if who and live:
            page.wait_for_selector("#live-pill[data-live-state=live]")
        return page

    yield opened
    for context in contexts:
        context.close()


def card(page: Any, command: dict[str, Any]) -> Any:
    return page.locator(f"#card-{command['id']}")


def test_wrong_password_and_wrong_code_say_so(open_page: Open, world: World) -> None:
    page, person = open_page("/sign-in/"), world.people["locked"]
    text = "The email address or the password is not right."
    enter_password(page, world.url, person, "not the password")
    expect(page.get_by_role("alert")).to_have_text(text)
    page.get_by_label("Email").fill("nobody@southwind.example")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(text)  # the same, whether there is an account or not
    enter_password(page, world.url, person)
    page.locator("input[name=code]").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_have_text("That code does not count. Enter the one that is shown now.")
    page.goto(world.url + "/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()  # half signed in is not signed in


def test_lock_out(open_page: Open, world: World) -> None:
    page, person = open_page("/sign-in/"), world.people["locked"]
    refused = page.get_by_text("Too many wrong attempts. Try again in 15 minutes.")
    for attempt in range(10):
        enter_password(page, world.url, person, f"wrong {attempt}")
        page.wait_for_load_state()
        if refused.count():
            break
    expect(refused).to_be_visible()
    enter_password(page, world.url, person)
    expect(refused).to_be_visible()  # the right password does not help now


def test_reviewer_without_a_second_factor_enrols_and_signs_in_with_a_backup_code(
    open_page: Open, world: World, asker: Asker
) -> None:
    page, person = open_page("/sign-in/"), world.people["fresh"]
    command = asker.ask("uptime")
    enter_password(page, world.url, person)
    for path in ("/", "/commands/", "/agents/", f"/commands/{command['id']}/", "/account/security/authenticator/"):
        page.goto(world.url + path)
        expect(page.get_by_role("heading", name="Set up your authenticator app")).to_be_visible()
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    form = {"csrfmiddlewaretoken": token, "verdict": "approve", "digest": command["digest"]}
    answer = page.request.post(
        f"{world.url}/commands/{command['id']}/decide/", form=form, headers={"Referer": world.url}
    )
    assert answer.status == 403
    assert asker.state(command) == "pending"
    # Enrol: the codes are shown once.
    seed = page.locator("#totp-secret").inner_text().replace(" ", "")
    page.locator("input[name=code]").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("alert")).to_contain_text("That code does not count.")
    page.locator("input[name=code]").fill(code_at(seed, step_at_now()))
    expect(page.locator("#totp-secret")).to_have_text(re.compile(seed[:4]))  # a wrong code does not change the seed
    _until_taken(page, seed)
    codes = page.locator("#backup-codes li").all_inner_texts()
    assert len(set(codes)) == 10
    page.get_by_role("button", name="Continue").click()
    assert page.locator("#backup-codes").is_visible()  # not before they are said to be saved
    page.get_by_label("I have saved these codes").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(world.url + "/")
    page.goto(world.url + "/account/security/backup-codes/")
    assert not page.get_by_text(codes[0]).count()
    # Out, and in again by a code that then is used up.
    for number, text in ((0, None), (0, "That code does not count, or was used before.")):
        page.context.clear_cookies()
        enter_password(page, world.url, person)
        page.get_by_role("link", name="Use a backup code").click()
        page.get_by_label("Backup code").fill(codes[number])
        page.get_by_role("button", name="Continue").click()
        if text:
            expect(page.get_by_role("alert")).to_have_text(text)
        else:
            page.wait_for_url(world.url + "/")
            page.goto(world.url + "/account/security/")
            expect(page.get_by_text("9 codes left.")).to_be_visible()


def _until_taken(page: Any, seed: str) -> None:
    """Enter codes until one is taken: after a wrong one the server looks at nothing for a second."""
    for _ in range(20):
        page.locator("input[name=code]").fill(code_at(seed, step_at_now()))
        page.get_by_role("button", name="Turn on").click()
        page.wait_for_load_state()
        if page.locator("#backup-codes").count():
            return
    raise AssertionError("no code was taken")


def test_approve_and_whitelist(open_page: Open, world: World, stack: Stack, agent_port: int, tmp_path: Path) -> None:
    page = open_page("/", "olga")
    environ = stack.client_environ(agent_port, tmp_path) | {"EXPACTI_TOKEN": world.keys["builder"]}
    command = ["expacti", "run", "--ttl", "60", "--", "find", ".", "-name", "sought"]
    quiet = {"env": environ, "cwd": tmp_path, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, **quiet)
    with first:
        waiting = page.locator("#queue-cards > [data-card]").filter(has_text="sought")
        waiting.locator("[data-action=whitelist]").click()
        dialog = page.locator("#whitelist-dialog")
        understood = dialog.get_by_label("I understand, and want this rule")
        assert not understood.count()  # the proposal is exactly this command
        dialog.get_by_label("Pattern").fill("find **")
        expect(dialog.get_by_text("This lets more through than it seems")).to_be_visible()
        dialog.get_by_label("Pattern").fill("find . -name [")
        expect(understood).to_have_count(0)  # the preview follows what is typed
        dialog.get_by_label("Pattern").fill("find **")
        dialog.get_by_label("Why is this safe?").fill("It only looks.")
        expect(understood).to_be_visible()
        dialog.get_by_role("button", name="Approve and whitelist").click()
        assert dialog.is_visible()
        assert first.poll() is None
        # Not the browser alone: the server asks too.
        understood.evaluate("(box) => { box.required = false; }")
        dialog.get_by_role("button", name="Approve and whitelist").click()
        page.wait_for_url("**/whitelist/")
        expect(page.get_by_text("Confirm what the rule lets through.")).to_be_visible()
        assert first.poll() is None
        page.get_by_label("I understand, and want this rule").check()
        page.get_by_role("button", name="Approve and whitelist").click()
        expect(page.get_by_text("Approved, and the rule is in force.")).to_be_visible()
        assert first.wait(20) == 0
    second = subprocess.run(command, stderr=subprocess.PIPE, timeout=20, check=False, **quiet)
    assert second.returncode == 0, second.stderr
    page.goto(world.url + "/commands/?state=executed")
    expect(page.locator("tbody tr").first).to_contain_text("a rule")


def test_page_survives_the_server(private_stack: Stack, open_queue: Callable[[Stack], Any]) -> None:
    page, port = open_queue(private_stack), private_stack.port
    agent = Asker(private_stack.url(port), str(private_stack.demo["agent_key"]))
    before, stays = agent.ask("touch", "before"), agent.ask("touch", "stays")
    expect(card(page, stays)).to_be_visible()
    page.evaluate("window.sameDocument = true")
    pill = page.locator("#live-pill")
    private_stack.kill(port, signal.SIGKILL)
    expect(pill).to_have_text(re.compile("Reconnecting|Offline"))
    private_stack.start(port, seed=False)
    agent.cancel(before)
    during = agent.ask("touch", "during")
    expect(pill).to_have_text("Live", timeout=40_000)
    expect(card(page, during)).to_be_visible()
    expect(card(page, before)).to_have_count(0, timeout=10_000)
    expect(card(page, stays)).to_be_visible()
    assert page.evaluate("window.sameDocument")  # it was never reloaded


def test_second_reviewer_sees_what_the_first_decided(open_page: Open, asker: Asker) -> None:
    command, other = asker.ask("touch", "shared"), asker.ask("touch", "kept")
    first, second = open_page("/", "rhea"), open_page("/", "gone")
    card(second, command).locator("[data-action=approve]").click()
    dialog = second.locator(f"#approve-{command['id']}")
    card(first, command).locator("[data-action=deny]").click()
    first.locator(f"#deny-{command['id']}").get_by_label("Reason").fill("Not now.")
    first.locator(f"#deny-{command['id']}").get_by_role("button", name="Deny").click()
    expect(dialog).to_contain_text("Somebody else decided while you were reading.")
    expect(dialog.get_by_role("button", name="Approve")).to_be_disabled()
    dialog.get_by_role("button", name="Cancel").click()
    for page in (first, second):
        expect(card(page, command)).to_have_count(0, timeout=10_000)
        expect(card(page, other)).to_be_visible()
    assert asker.state(command) == "denied"


def test_countdown_ends_the_card(open_page: Open, asker: Asker) -> None:
    page = open_page("/", "rhea")
    command = asker.ask("touch", "late", ttl=10)
    clock = card(page, command).locator("[data-countdown]")
    expect(clock).to_have_text(re.compile(r"0:0\d left"))
    card(page, command).locator("[data-action=approve]").click()
    dialog = page.locator(f"#approve-{command['id']}")
    expect(dialog).to_contain_text("Expired before it was decided.", timeout=15_000)
    expect(dialog.get_by_role("button", name="Approve")).to_be_disabled()
    expect(card(page, command)).to_have_attribute("data-state", "expired")
    expect(card(page, command).locator("[data-action]")).to_have_count(0)
    expect(card(page, command).locator("[data-state-badge]")).to_have_text("Expired")


def test_hostile_text_stays_text(open_page: Open, world: World, stack: Stack, agent_port: int, tmp_path: Path) -> None:
    hostile = world.asker(PROBE[:80], stack.url(agent_port))
    command = hostile.ask(
        "echo", PROBE, reason=PROBE, host=PROBE[:60], cwd=f"/{PROBE}", user=PROBE[:60], env={"PATH": PROBE, "X": PROBE}
    )
    page = open_page("/", "olga")
    studio = Studio(tmp_path)
    studio.watch(page)
    detail = f"/commands/{command['id']}/"
    pages = ("/", detail, f"{detail}whitelist/", "/commands/", "/agents/", f"/agents/{hostile.agent}/", "/audit/")
    for path in (*pages, "/admin/approvals/commandrequest/", "/admin/accounts/agent/"):
        page.goto(world.url + path)
        expect(page.locator("body")).to_contain_text("onerror=" if "/admin/a" in path else PROBE[:20])
        assert not page.locator("img[src=x], script:not([src])").count(), path
        assert not page.evaluate("window.owned"), path
    page.goto(world.url + "/")
    for action in ("approve", "deny", "whitelist"):
        card(page, command).locator(f"[data-action={action}]").click()
        dialog = page.locator("dialog:modal")
        expect(dialog).to_contain_text(PROBE)
        assert not page.locator("img[src=x]").count()
        page.keyboard.press("Escape")
    # By the socket and htmx too: the card that a script put in place.
    second = hostile.ask("echo", PROBE, "again", reason=PROBE)
    expect(card(page, second)).to_contain_text(PROBE)
    assert not page.locator("img[src=x]").count()
    assert not page.evaluate("window.owned")
    assert not studio.faults, studio.verdict()


def test_sign_out_in_another_tab(open_page: Open, world: World, asker: Asker) -> None:
    command = asker.ask("touch", "signed-out")
    page = open_page("/")
    sign_in(page, world.url, world.people["gone"])
    page.wait_for_selector("#live-pill[data-live-state=live]")
    other = page.context.new_page()
    other.goto(world.url + "/agents/")
    other.locator("summary[aria-label^='Your account']").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/sign-in/")
    expect(page.get_by_text("Your session has ended. Nothing here is live any more.")).to_be_visible()
    expect(page.locator("#live-pill")).to_have_text("Signed out")
    for button in card(page, command).locator("button[data-action]").all():
        expect(button).to_be_disabled()


def test_organization_switch(open_page: Open, world: World, asker: Asker) -> None:
    command = asker.ask("touch", "southwind-only")
    page = open_page("/")
    sign_in(page, world.url, world.people["rolf"])
    footer, menu = page.locator("body > footer"), page.locator("summary[aria-label^='Organization']")
    for name, seen in (("Southwind", 1), ("Eastwind", 0)):
        menu.click()
        page.locator(".menu__item", has_text=name).click()
        expect(footer).to_contain_text(name)
        expect(card(page, command)).to_have_count(seen)
        answer = page.request.get(f"{world.url}/commands/{command['id']}/")
        assert answer.status == (200 if seen else 404)


def test_approval_without_javascript(open_page: Open, asker: Asker) -> None:
    command = asker.ask("touch", "no-script")
    page = open_page("/", "rhea", live=False, java_script_enabled=False)
    expect(page.locator("html")).not_to_have_attribute("data-js", "")
    card(page, command).get_by_role("button", name="Approve").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Let this run?")
    dialog.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved. The agent may run it now.")).to_be_visible()
    assert asker.state(command) == "approved"


def test_choices_of_this_device_persist(open_page: Open, world: World) -> None:
    page = open_page("/account/security/", "rhea", permissions=["notifications"])
    panel = page.locator("main")
    for name in ("Desktop notifications", "Sound"):
        expect(panel.get_by_label(name)).not_to_be_checked()
        panel.get_by_label(name).check()
    page.locator("summary[aria-label^='Your account']").click()
    page.get_by_role("button", name="Dark").click()
    page.goto(world.url + "/agents/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("summary[aria-label^='Your account']").click()
    for name in ("Desktop notifications", "Sound"):
        expect(page.locator(".menu__panel").get_by_label(name)).to_be_checked()
    page.locator(".menu__panel").get_by_label("Sound").uncheck()
    page.reload()
    page.locator("summary[aria-label^='Your account']").click()
    expect(page.locator(".menu__panel").get_by_label("Sound")).not_to_be_checked()
    expect(page.locator(".menu__panel").get_by_label("Desktop notifications")).to_be_checked()
