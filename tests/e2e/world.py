"""People, organizations and agents of the page tests, made by the services on a running installation."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from accounts.domain.totp import code_at, step_at
from tests.e2e.asking import Asker
from tests.support.stack import Stack

SCRIPT = """
import json, sys
from django.utils import timezone
from accounts.domain.totp import code_at, step_at
from accounts.services.agents import create_agent, create_api_key
from accounts.services.organizations import add_membership
from accounts.services.people import create_user
from accounts.services.second_factor import begin_totp_enrolment, confirm_totp
from approvals.services.onboarding import found_organization
wanted, now, who = json.loads({wanted!r}), timezone.now(), "system:tests"
users, seeds, keys, agents = {{}}, {{}}, {{}}, {{}}
for name, full, enrolled in wanted["people"]:
    user = create_user(email=name + "@" + wanted["domain"], password=wanted["password"], name=full, actor=who, now=now)
    users[name] = user
    if enrolled:
        device = begin_totp_enrolment(user_id=user.id, fresh=False)
        code = code_at(device.seed, step_at(now) - 1)
        confirm_totp(user_id=user.id, device_id=device.pk, code=code, fresh=False, address="", now=now)
        seeds[name] = device.seed
for place in wanted["organizations"]:
    now = timezone.now()  # who belongs to two starts in the one that they joined first
    (owner, _), *others = place["members"]
    made = found_organization(name=place["name"], slug=place["slug"], owner=users[owner], actor=who, now=now)
    for name, role in others:
        add_membership(organization_id=made.id, user=users[name], role=role, actor=who, actor_role="owner", now=now)
    for agent, text in place["agents"]:
        row = create_agent(organization_id=made.id, name=agent, description=text, owner=users[owner], actor=who, now=now)
        key = create_api_key(organization_id=made.id, agent_id=row.id, created_by_id=users[owner].id, actor=who, now=now)
        keys[agent], agents[agent] = key.text, str(row.id)
print("MADE" + json.dumps({{"seeds": seeds, "keys": keys, "agents": agents}}))
"""


@dataclass
class Someone:
    """A person of these tests. `code()` never gives the same code twice: each counts once."""

    email: str
    password: str
    seed: str = ""
    _last: int = field(default=0)

    def code(self) -> str:
        """Return a code that the server has not seen; waits for it to become valid where it must."""
        while True:
            now = step_at(datetime.now(UTC))
            step = max(self._last + 1, now)
            if step <= now + 1:  # the server accepts the neighbouring step too
                self._last = step
                return code_at(self.seed, step)
            time.sleep(0.2)  # until the clock has moved on


@dataclass
class World:
    """What was made, and where."""

    url: str
    people: dict[str, Someone]
    agents: dict[str, str]
    keys: dict[str, str]

    def asker(self, agent: str, url: str | None = None) -> Asker:
        return Asker(url or self.url, self.keys[agent])


def make_world(stack: Stack, url: str, wanted: dict[str, Any]) -> World:
    """Make `wanted`: people (name, full name, enrolled), organizations with members and agents."""
    password = secrets.token_urlsafe(12)
    script = SCRIPT.format(wanted=json.dumps({**wanted, "password": password}))
    done = stack.manage("shell", "-v", "0", "-c", script)
    lines = [line for line in done.stdout.splitlines() if line.startswith("MADE")]
    assert lines, done.stdout + done.stderr
    made = json.loads(lines[0].removeprefix("MADE"))
    people = {
        name: Someone(f"{name}@{wanted['domain']}", password, made["seeds"].get(name, ""))
        for name, _, _ in wanted["people"]
    }
    return World(url, people, made["agents"], made["keys"])


def sign_in(page: Any, url: str, person: Any, code: str | None = None) -> None:
    """Sign in as a person would, and land on the queue."""
    enter_password(page, url, person)
    page.wait_for_url("**/verify/**")
    page.locator("input[name=code]").fill(code or person.code())
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(url + "/")


def enter_password(page: Any, url: str, person: Any, password: str | None = None) -> None:
    """Take the first step of signing in."""
    page.goto(url + "/sign-in/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(password or person.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
