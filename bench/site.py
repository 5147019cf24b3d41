"""An organization to measure with, a server process to measure, and submissions to send."""

from __future__ import annotations

import os
import resource
import secrets
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.support.servers import free_port

OPEN_FILES = 40_000


@dataclass
class Site:
    """An organization with an agent's key, a reviewer, and a rule that allows `ls -l`."""

    organization_id: uuid.UUID
    agent_id: uuid.UUID
    key: str
    access: Any


def make_site() -> Site:
    """Found an organization through the services."""
    import django

    django.setup()
    from accounts import services
    from accounts.domain.access import Access
    from accounts.models import Membership
    from approvals.services.onboarding import found_organization
    from approvals.services.rules import RuleDraft, create_rule

    now = datetime.now(UTC)
    tag = secrets.token_hex(4)
    owner = services.create_user(
        email=f"{tag}@bench.example", password=secrets.token_urlsafe(16), actor="system:bench", now=now
    )
    organization = found_organization(name="Bench", slug=f"bench-{tag}", owner=owner, actor="system:bench", now=now)
    agent = services.create_agent(
        organization_id=organization.id, name="agent", owner=owner, actor="system:bench", now=now
    )
    key = services.create_api_key(
        organization_id=organization.id, agent_id=agent.id, created_by_id=owner.id, actor="system:bench", now=now
    )
    _enrol(owner.id)
    membership = Membership.objects.get(organization=organization, user=owner)
    access = Access(
        user_id=owner.id,
        organization_id=organization.id,
        membership_id=membership.id,
        role="owner",
        verified=True,
        second_factor="totp",
        email=owner.email or "",
        name="",
        organization_name="Bench",
        time_zone="UTC",
    )
    draft = RuleDraft(kind="argv_glob", effect="allow", pattern="ls -l", reason="bench")
    create_rule(access=access, draft=draft, accept_warnings=True, now=now)
    return Site(organization.id, agent.id, key.text, access)


def _enrol(user_id: uuid.UUID) -> None:
    from accounts.models import TotpDevice

    TotpDevice.objects.create(user_id=user_id, name="bench", confirmed=True, seed="A" * 32)


def session_cookies(site: Site) -> dict[str, str]:
    """Return the cookies of a reviewer who has signed in with a second factor."""
    from django.conf import settings
    from django.test import Client

    from accounts.models import Organization, User
    from tests.accounts.cast import enter

    client = Client()
    user = User.objects.get(pk=site.access.user_id)
    enter(client, user, Organization.objects.get(pk=site.organization_id))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: secrets.token_hex(16)}


def submission(site: Site, argv: list[str], *, release: bool) -> dict[str, Any]:
    """Return a `POST commands/` body."""
    from approvals.domain.request import Wish, compute_digest, format_time

    identifier, nonce = str(uuid.uuid4()), secrets.token_hex(16)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    wish = Wish(tuple(argv), None, None, "/usr/bin/" + argv[0], "/srv", {}, "app", "web1", "none")
    digest = compute_digest(
        wish,
        organization=str(site.organization_id),
        agent=str(site.agent_id),
        id=identifier,
        nonce=nonce,
        expires_at=expires_at,
    )
    body = {
        **wish.as_dict(),
        "id": identifier,
        "nonce": nonce,
        "expires_at": format_time(expires_at),
        "digest": digest,
    }
    return {**body, "release_nonce": secrets.token_hex(16)} if release else body


def start_server() -> tuple[subprocess.Popen[bytes], str]:
    """Start one server process as `make run` does, on the bench's databases."""
    raise_open_files()
    port = free_port()
    environ = {**os.environ, "EXPACTI_DATABASE_POOL_MAX": "16", "EXPACTI_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environ)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            with urlopen(url + "/readyz", timeout=1):
                return process, url
        except OSError:
            if process.poll() is not None:
                raise
            time.sleep(0.1)


def raise_open_files() -> None:
    """Allow as many open sockets as the measurements need."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def rss_kib(pid: int) -> int:
    """Return a process's resident memory."""
    with Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
