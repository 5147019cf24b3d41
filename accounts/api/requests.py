"""What an endpoint takes from its request, once its permission has been asked."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from accounts.domain.access import Access
from accounts.domain.principal import AgentPrincipal
from core.problems import Problem


def agent_of(request: Request) -> AgentPrincipal:
    """Return the agent that calls.

    Raises:
        Problem: 403 when it is not an agent.
    """
    auth: Any = request.auth
    if not isinstance(auth, AgentPrincipal):
        raise Problem(403, "role_required", "Only an agent's own API key may do that.")
    return auth


def access_of(request: Request) -> Access:
    """Return the person who calls.

    Raises:
        Problem: 403 when it is not a person.
    """
    auth: Any = request.auth
    if not isinstance(auth, Access):
        raise Problem(403, "role_required", "An agent's API key may not do that.")
    return auth


def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; none counts as an empty one."""
    data: Any = request.data
    return data if isinstance(data, dict) else {}
