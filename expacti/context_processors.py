"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.domain.access import Access
from accounts.domain.roles import Ability, may
from accounts.selectors import list_organizations
from approvals.selectors.commands import count_pending


def page(request: HttpRequest) -> dict[str, Any]:
    """Return who is signed in, where else they belong, and how much waits."""
    access: Access | None = getattr(request, "access", None)
    context: dict[str, Any] = {"access": None, "expacti_version": settings.VERSION}
    if access is not None:
        sees_queue = access.verified and may(access.role, Ability.VIEW_QUEUE)
        context["access"] = describe_access(access)
        context["organizations"] = list_organizations(access.user_id)
        context["pending_count"] = (
            count_pending(access.organization_id, owner_id=access.only_agents_of) if sees_queue else 0
        )
    return context


def describe_access(access: Access) -> dict[str, Any]:
    """Return the signed-in person as templates take them."""
    return {
        "user": {"email": access.email, "name": access.name},
        "organization": {"id": access.organization_id, "name": access.organization_name},
        "role": access.role,
        "verified": access.verified,
        "time_zone": access.time_zone,
        "can_view_queue": may(access.role, Ability.VIEW_QUEUE),
        "can_review": access.can_review,
        "can_administer": access.can_administer,
        "can_audit": access.can_audit,
        "can_manage_agents": access.can_manage_agents,
    }
