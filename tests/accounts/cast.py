"""The fixed cast that every suite plays with.

First: alice owns it, dave administers, bob reviews, erin audits, mallory is a plain member.
Second: charlie owns it. Everybody but mallory has an authenticator app.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
from django.utils import timezone

from accounts import services, sessions
from accounts.domain import totp
from accounts.domain.factors import Method
from accounts.models import Agent, ApiKey, Membership, Organization, TotpDevice, User

PASSWORD = "correct horse battery staple"
ACTOR = "system:test"
FIRST_ROLES = {"dave": "admin", "bob": "reviewer", "erin": "auditor", "mallory": "member"}


@dataclass
class Cast:
    """People by name; the first organization is where it plays, the second is the stranger's."""

    first: Organization
    second: Organization
    people: dict[str, User]
    memberships: dict[str, Membership]
    agent: Agent
    key: ApiKey
    key_text: str
    other_agent: Agent
    other_key: ApiKey
    other_key_text: str
    seeds: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> User:
        try:
            return self.__dict__["people"][name]
        except KeyError as error:
            raise AttributeError(name) from error

    def organization_of(self, name: str) -> Organization:
        return self.second if name == "charlie" else self.first

    def code(self, name: str, at: datetime | None = None) -> str:
        """Return the code that somebody's authenticator app shows."""
        return totp.code_at(self.seeds[name], totp.step_at(at or timezone.now()))

    def client(self, name: str, *, verified: bool = True, **extra: Any) -> Client:
        """Return a browser with somebody's whole session, without going through the pages."""
        client = Client(**extra)
        enter(client, self.people[name], self.organization_of(name), verified=verified)
        return client


def make_cast(now: datetime) -> Cast:
    """Make both organizations and everybody in them."""
    made = now - timedelta(days=1)
    people = {
        name: services.create_user(
            email=f"{name}@example.org", password=PASSWORD, name=name.title(), actor=ACTOR, now=made
        )
        for name in ("alice", "charlie", *FIRST_ROLES)
    }
    first, second = (
        services.create_organization(
            name=f"{owner.title()}'s", slug=f"{owner}s", owner=people[owner], actor=ACTOR, now=made
        )
        for owner in ("alice", "charlie")
    )
    for name, role in FIRST_ROLES.items():
        services.add_membership(
            organization_id=first.id,
            user=people[name],
            role=role,
            actor=ACTOR,
            actor_role="owner",
            now=made,
        )
    agent, created = _agent(first, people["alice"], "deploy-bot", made)
    other_agent, other_created = _agent(second, people["charlie"], "charlies-bot", made)
    cast = Cast(
        first=first,
        second=second,
        people=people,
        memberships={
            row.user.name.lower(): row
            for row in Membership.objects.filter(organization__in=(first, second)).select_related("user")
        },
        agent=agent,
        key=created.row,
        key_text=created.text,
        other_agent=other_agent,
        other_key=other_created.row,
        other_key_text=other_created.text,
    )
    for name in ("alice", "bob", "charlie", "dave", "erin"):
        cast.seeds[name] = enrol(people[name])
    return cast


def enrol(user: User) -> str:
    """Give somebody a confirmed authenticator app and return its seed."""
    seed = totp.encode_seed(user.id.bytes + b"seed")
    TotpDevice.objects.create(user=user, name="Phone", confirmed=True, seed=seed)
    return seed


def enter(client: Client, user: User, organization: Organization, *, verified: bool = True) -> None:
    """Put a whole session into the browser: what signing in leaves behind."""
    now = timezone.now()
    user.refresh_from_db()
    session = client.session
    session.flush()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = sessions.BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[sessions.ORGANIZATION] = str(organization.id)
    session[sessions.SIGNED_IN_AT] = now.isoformat()
    device = TotpDevice.objects.filter(user=user, confirmed=True).first()
    if verified and device is not None:
        session[sessions.DEVICE] = device.pk
        session[sessions.FACTOR] = Method.TOTP.value
        session[sessions.VERIFIED_AT] = now.isoformat()
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key


def _agent(organization: Organization, owner: User, name: str, now: datetime) -> tuple[Agent, services.CreatedKey]:
    agent = services.create_agent(organization_id=organization.id, name=name, owner=owner, actor=ACTOR, now=now)
    created = services.create_api_key(
        organization_id=organization.id,
        agent_id=agent.id,
        created_by_id=owner.id,
        actor=ACTOR,
        now=now,
    )
    return agent, created
