"""Readable names for the opaque ids in audit records."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from accounts.models import Agent, User
from core.text import visible

SYSTEM = {
    "system:whitelist": "a whitelist rule",
    "system:clock": "the clock",
    "system:integrity": "the integrity check",
    "system:recovery": "recovery",
}


def name_actors(organization_id: UUID, actors: Iterable[str]) -> dict[str, str]:
    """Return names for those of the actors that the organization knows, hidden characters visible.

    Two queries.
    """
    wanted = set(actors)
    names = {actor: name for actor, name in SYSTEM.items() if actor in wanted}
    people = User.objects.filter(pk__in=_ids(wanted, "user:"), memberships__organization_id=organization_id)
    for user in people.distinct():
        names[f"user:{user.pk}"] = visible(str(user))
    for agent in Agent.objects.filter(pk__in=_ids(wanted, "agent:"), organization_id=organization_id):
        names[f"agent:{agent.pk}"] = visible(agent.name)
    return names


def _ids(actors: Iterable[str], prefix: str) -> list[UUID]:
    return [UUID(actor.removeprefix(prefix)) for actor in actors if actor.startswith(prefix)]
