"""Who may use an endpoint. Without a word from the view: nobody."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from accounts.domain.access import Access, require_verified
from accounts.domain.principal import AgentPrincipal
from accounts.domain.roles import Ability
from core.problems import Problem

if TYPE_CHECKING:
    # REST framework's views import their default permissions, these, while they are imported.
    from rest_framework.request import Request
    from rest_framework.views import APIView


class Nobody(BasePermission):
    """Denies. The default, so that a view that forgets its permission is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return False."""
        del request, view
        return False


class AgentOnly(BasePermission):
    """An agent by its own key."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True for an agent, False for nobody.

        Raises:
            Problem: 403 for a person.
        """
        del view
        if isinstance(request.auth, Access):
            raise Problem(403, "role_required", "Only an agent's own API key may do that.")
        return isinstance(request.auth, AgentPrincipal)


@cache
def PersonWith(ability: Ability) -> type[BasePermission]:  # noqa: N802 - reads as the class it returns
    """Return the permission class for a person with an ability and a verified second factor."""

    class Permission(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            """Return True, or raise why not."""
            del view
            if isinstance(request.auth, AgentPrincipal):
                raise Problem(403, "role_required", "An agent's API key may not do that.")
            access = request.auth if isinstance(request.auth, Access) else None
            if access is None:
                return False
            require_verified(access, ability)
            return True

    Permission.__name__ = f"PersonWith_{ability.value}"
    return Permission
