"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.selectors import list_organizations
from approvals.selectors import count_pending


def page(request: HttpRequest) -> dict[str, Any]:
    """Return who is signed in, where else they belong, and how much waits."""
    access = getattr(request, "access", None)
    context: dict[str, Any] = {"access": access, "version": settings.VERSION}
    if access is not None:
        context["organizations"] = list_organizations(access.user_id)
        context["pending_count"] = count_pending(access.organization_id) if access.can_review else 0
    return context
