"""Seed a demo organization once, and print how to sign in. For the embedded default only."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.domain.totp import code_at, provisioning_uri, step_at
from accounts.models import Organization, User
from accounts.services.agents import create_agent, create_api_key
from accounts.services.organizations import add_membership
from accounts.services.people import create_user
from accounts.services.second_factor import begin_totp_enrolment, confirm_totp
from approvals.services.onboarding import found_organization

ACTOR = "system:seed"
PEOPLE = (
    ("owner@demo.example", "Olivia Owner", Role.OWNER),
    ("reviewer1@demo.example", "Ravi Reviewer", Role.REVIEWER),
    ("reviewer2@demo.example", "Rosa Reviewer", Role.REVIEWER),
)
SLUG = "demo"
FILE = "demo.json"


class Command(BaseCommand):
    """The sign-ins are random per installation and stand in a file that only its user can read."""

    help = "Create the demo organization, if it is not there, and print its sign-ins."

    def handle(self, **_options: Any) -> None:
        file = settings.STATE_DIR / FILE
        if not Organization.objects.filter(slug=SLUG).exists():
            _write_private(file, _seed())
        elif not file.exists():
            self.stdout.write("The demo organization exists; its sign-ins were printed at first start.")
            return
        self._print(json.loads(file.read_text(encoding="utf-8")))

    def _print(self, demo: dict[str, Any]) -> None:
        url = settings.PUBLIC_URL
        lines = ["", f"Expacti is at {url}", "", "Sign in (demo organization):"]
        for person in demo["people"]:
            lines += [
                f"  {person['email']}  password: {person['password']}",
                f"    second factor: {person['otpauth']}",
            ]
        key_file = settings.STATE_DIR / "demo-agent.key"
        _write_private(key_file, demo["agent_key"], raw=True)
        lines += [
            "",
            "Send a first command (in another shell, here):",
            (
                f"  EXPACTI_URL={url} EXPACTI_TOKEN_FILE={_shown(key_file)}"
                " .venv/bin/expacti run -- sh -c 'echo hello > hello.txt'"
            ),
            "",
        ]
        self.stdout.write("\n".join(lines))


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@transaction.atomic
def _seed() -> dict[str, Any]:
    now = timezone.now()
    passwords = {email: secrets.token_urlsafe(12) for email, _, _ in PEOPLE}
    users = {
        email: create_user(email=email, password=passwords[email], name=name, actor=ACTOR, now=now)
        for email, name, _ in PEOPLE
    }
    owner = users[PEOPLE[0][0]]
    organization = found_organization(name="Demo", slug=SLUG, owner=owner, actor=ACTOR, now=now)
    for email, _, role in PEOPLE[1:]:
        add_membership(
            organization_id=organization.id,
            user=users[email],
            role=role,
            actor=ACTOR,
            actor_role=Role.OWNER,
            now=now,
        )
    agent = create_agent(organization_id=organization.id, name="demo-agent", owner=owner, actor=ACTOR, now=now)
    key = create_api_key(
        organization_id=organization.id, agent_id=agent.id, created_by_id=owner.id, actor=ACTOR, now=now
    )
    people = [{"email": email, "password": passwords[email], "otpauth": _enrol(user)} for email, user in users.items()]
    return {"people": people, "agent_key": key.text}


def _enrol(user: User) -> str:
    now = timezone.now()
    device = begin_totp_enrolment(user_id=user.id, fresh=False)
    confirm_totp(
        user_id=user.id,
        device_id=device.pk,
        # An earlier step's code, so that the present one is still good for the first sign-in.
        code=code_at(device.seed, step_at(now) - 1),
        fresh=False,
        address="",
        now=now,
    )
    account = user.email or ""
    return provisioning_uri(device.seed, account=account, issuer=settings.OTP_TOTP_ISSUER)


def _write_private(file: Path, content: Any, *, raw: bool = False) -> None:
    text = content if raw else json.dumps(content, indent=1)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
