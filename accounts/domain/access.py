"""Who is acting, in which organization, and whether they proved it: one object, one rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.domain.roles import SECOND_FACTOR_ROLES, Ability, may
from core.problems import Problem

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Access:
    """A signed-in person inside one organization.

    `verified` is true only when this session passed a confirmed second factor.
    `second_factor` names it (`totp`, `backup_code`), for the record of a decision.
    """

    user_id: UUID
    organization_id: UUID
    membership_id: UUID
    role: str
    verified: bool
    second_factor: str | None
    email: str
    name: str
    organization_name: str
    time_zone: str = ""

    @property
    def actor(self) -> str:
        """Return the audit id."""
        return f"user:{self.user_id}"

    @property
    def can_review(self) -> bool:
        return may(self.role, Ability.DECIDE)

    @property
    def can_administer(self) -> bool:
        return may(self.role, Ability.ADMINISTER)

    @property
    def can_audit(self) -> bool:
        return may(self.role, Ability.AUDIT)

    @property
    def only_agents_of(self) -> UUID | None:
        """Return whose agents' commands alone this person sees; None where they see all."""
        return None if self.can_review or self.can_audit else self.user_id

    @property
    def can_manage_agents(self) -> bool:
        return may(self.role, Ability.MANAGE_AGENTS)


def needs_second_factor(role: str) -> bool:
    """Tell whether the role can do nothing but enrol until a second factor is confirmed.

    An unknown role needs one.
    """
    return role != "member" or role in SECOND_FACTOR_ROLES


def require_verified(access: Access | None, ability: Ability) -> Access:
    """Return `access` if it may use `ability` now. Pages, API, WebSocket and admin all ask here.

    Raises:
        Problem: 401 `not_authenticated`, 403 `second_factor_required`, 403 `role_required`.
    """
    if access is None:
        raise Problem(401, "not_authenticated", "Sign in first.")
    if needs_second_factor(access.role) and not access.verified:
        detail = "Your role needs a second factor. Enrol one under Account, Security, then sign in with it."
        raise Problem(403, "second_factor_required", detail)
    if not may(access.role, ability):
        detail = f"Your role ({access.role}) does not include this. Ask an owner or admin."
        raise Problem(403, "role_required", detail)
    return access
