"""Roles of a membership, and what each may do. A table that ends in no."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person is in an organization."""

    OWNER = "owner"
    ADMIN = "admin"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    MEMBER = "member"


class Ability(StrEnum):
    """What a role may include."""

    VIEW_QUEUE = "view_queue"
    DECIDE = "decide"
    ADMINISTER = "administer"
    AUDIT = "audit"
    MANAGE_AGENTS = "manage_agents"


_TABLE: dict[Role, frozenset[Ability]] = {
    Role.OWNER: frozenset(Ability),
    Role.ADMIN: frozenset(Ability),
    Role.REVIEWER: frozenset((Ability.VIEW_QUEUE, Ability.DECIDE, Ability.MANAGE_AGENTS)),
    Role.AUDITOR: frozenset((Ability.VIEW_QUEUE, Ability.AUDIT)),
    Role.MEMBER: frozenset((Ability.VIEW_QUEUE, Ability.MANAGE_AGENTS)),
}

# Every role that can see commands needs a second factor; a member sees only their own agents'.
SECOND_FACTOR_ROLES = frozenset((Role.OWNER, Role.ADMIN, Role.REVIEWER, Role.AUDITOR))


def may(role: str, ability: Ability) -> bool:
    """Tell whether a role includes an ability; an unknown role includes none."""
    return ability in _TABLE.get(role, frozenset())  # type: ignore[call-overload]


def may_assign(actor_role: str, *, old: str | None, new: str | None) -> bool:
    """Tell whether a role may turn a membership from `old` to `new` (None: no membership).

    Only owners make, change and remove owners: an admin cannot raise themselves.
    """
    if not may(actor_role, Ability.ADMINISTER):
        return False
    return actor_role == Role.OWNER or Role.OWNER not in (old, new)
