"""Who may vote, asked at the vote and again at the quorum."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from accounts.domain.roles import Ability, Role, may
from accounts.models import Membership, TotpDevice

DECIDING_ROLES = [role.value for role in Role if may(role, Ability.DECIDE)]


def list_eligible(organization_id: UUID, user_ids: Iterable[str]) -> set[str]:
    """Return those of the people who may decide now. Two queries.

    Active members with a deciding role and a confirmed second factor.
    """
    wanted = list(user_ids)
    # Locked: nobody is removed or demoted between this look and the commit that counts the vote.
    members = (
        Membership.objects.select_for_update(of=("self",))
        .filter(
            organization_id=organization_id,
            user_id__in=wanted,
            user__is_active=True,
            removed_at=None,
            role__in=DECIDING_ROLES,
        )
        .order_by("id")
        .values_list("user_id", flat=True)
    )
    enrolled = TotpDevice.objects.filter(user_id__in=wanted, confirmed=True)
    holders = set(enrolled.values_list("user_id", flat=True))
    return {str(user) for user in members if user in holders}
