"""REST edges of agents and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import schemas
from accounts.api.authentication import ApiKeyAuthentication, SessionAuthentication
from accounts.api.permissions import AgentOnly, PersonWith
from accounts.domain.access import Access
from accounts.domain.principal import AgentPrincipal
from accounts.domain.roles import Ability
from accounts.models import ApiKey
from accounts.selectors import get_agent, list_keys, summarize_key
from accounts.services import create_api_key, revoke_api_key
from core import pagination
from core.problems import FieldError, invalid

AGENT = OpenApiParameter("agent", UUID, description="Only this agent's keys.")
CURSOR = OpenApiParameter("cursor", str)
LIMIT = OpenApiParameter("limit", int)
NEW_KEY_MEMBERS = frozenset(("agent", "name", "expires_at"))


class AgentSelf(APIView):
    """Who am I."""

    authentication_classes = (ApiKeyAuthentication, SessionAuthentication)
    permission_classes = (AgentOnly,)

    @extend_schema(responses=schemas.AgentIdentity)
    def get(self, request: Request) -> Response:
        """Return the agent that the key belongs to, and its limits."""
        agent = cast("AgentPrincipal", request.auth)
        organization = agent.organization
        return Response(
            {
                "agent": {"id": str(agent.agent_id), "name": agent.agent_name},
                "organization": {"id": str(organization.id), "name": organization.name},
                "key": {"prefix": agent.key_prefix, "expires_at": _time(agent.key_expires_at)},
                "server_time": _time(timezone.now()),
                "limits": {
                    "ttl_min_s": settings.TTL_MIN_S,
                    "ttl_max_s": min(organization.max_ttl_s, settings.TTL_MAX_S),
                    "ttl_default_s": settings.TTL_DEFAULT_S,
                    "body_bytes": settings.API_BODY_BYTES,
                },
            }
        )


class _Administration(APIView):
    authentication_classes = (ApiKeyAuthentication, SessionAuthentication)
    permission_classes = (PersonWith(Ability.ADMINISTER),)


class KeyCollection(_Administration):
    """The organization's API keys."""

    @extend_schema(parameters=[AGENT, CURSOR, LIMIT], responses=schemas.KeyPage)
    def get(self, request: Request) -> Response:
        """List keys, newest first; `agent` narrows to one agent's."""
        access = cast("Access", request.auth)
        wanted = request.query_params.get("agent")
        agent_id = _agent_id(wanted) if wanted else None
        if agent_id is not None:
            get_agent(access.organization_id, agent_id)
        page, following = pagination.newest_page(
            list_keys(access.organization_id, agent_id=agent_id),
            scope=f"api-keys:{access.organization_id}:{agent_id}",
            cursor=request.query_params.get("cursor"),
            limit=pagination.parse_limit(request.query_params.get("limit")),
        )
        now = timezone.now()
        return Response({"results": [_key(row, now) for row in page], "next": following})

    @extend_schema(request=schemas.NewKey, responses={201: schemas.CreatedKey})
    def post(self, request: Request) -> Response:
        """Make a key for an agent. The answer is the only place where the key is shown."""
        access = cast("Access", request.auth)
        agent_id, name, expires_at = _parse_new_key(cast("dict[str, Any]", request.data))
        now = timezone.now()
        created = create_api_key(
            organization_id=access.organization_id,
            agent_id=agent_id,
            created_by_id=access.user_id,
            actor=access.actor,
            now=now,
            name=name,
            expires_at=expires_at,
        )
        return Response({**_key(created.row, now), "key": created.text}, status=201)


class KeyItem(_Administration):
    """One API key."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoke the key. It stops at once; the row stays."""
        access = cast("Access", request.auth)
        revoke_api_key(
            organization_id=access.organization_id,
            key_id=key_id,
            actor=access.actor,
            now=timezone.now(),
        )
        return Response(status=204)


def _parse_new_key(body: Mapping[str, Any]) -> tuple[UUID, str, datetime | None]:
    unknown = sorted(set(body) - NEW_KEY_MEMBERS)
    if unknown:
        raise invalid(*(FieldError(f"/{name}", "unknown", "Not known.") for name in unknown))
    name = body.get("name", "")
    if not isinstance(name, str):
        raise invalid(FieldError("/name", "type", "A string."))
    return _agent_id(body.get("agent")), name, _parse_expiry(body.get("expires_at"))


def _agent_id(value: Any) -> UUID:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError) as error:
        raise invalid(FieldError("/agent", "type", "An agent's UUID.")) from error


def _parse_expiry(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise invalid(FieldError("/expires_at", "type", "YYYY-MM-DDTHH:MM:SSZ.")) from error
    if moment.tzinfo is None:
        raise invalid(FieldError("/expires_at", "type", "With a time zone, for example Z."))
    return moment.astimezone(UTC)


def _key(row: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "agent": str(row.agent_id),
        "name": row.name,
        "prefix": row.prefix,
        "status": summarize_key(row, now).status,
        "created_at": _time(row.created_at),
        "expires_at": _time(row.expires_at),
        "last_used_at": _time(row.last_used_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
