"""REST edges of the audit log. Read only: every other method is 405."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import ApiKeyAuthentication, SessionAuthentication
from accounts.api.permissions import PersonWith
from accounts.api.requests import access_of
from accounts.domain.roles import Ability
from audit.export import export_lines
from audit.models import AuditEvent
from audit.queries import EventFilter, find_events, page_events, payload_of, record_of
from core import pagination
from core.moments import parse_moment
from core.problems import FieldError, invalid

if TYPE_CHECKING:
    Shape = serializers.Serializer[Any]
else:
    Shape = serializers.Serializer

FILTERS = ("type", "obj", "actor", "since", "until", "cursor", "limit")


class EventShape(Shape):
    """One record."""

    record = serializers.DictField()
    leaf = serializers.CharField()
    payload = serializers.DictField(allow_null=True)


class EventPage(Shape):
    """One page, newest first."""

    results = EventShape(many=True)
    next = serializers.CharField(allow_null=True)


class _Audit(APIView):
    authentication_classes = (ApiKeyAuthentication, SessionAuthentication)
    permission_classes = (PersonWith(Ability.AUDIT),)
    http_method_names = ("get", "head", "options")


class EventCollection(_Audit):
    """The records."""

    @extend_schema(parameters=[OpenApiParameter(name) for name in FILTERS], responses=EventPage)
    def get(self, request: Request) -> Response:
        """List records, newest first, with their payloads."""
        organization_id = access_of(request).organization_id
        query = request.query_params
        wanted = EventFilter(
            type=query.get("type", ""),
            obj=query.get("obj", ""),
            actor=query.get("actor", ""),
            since=_moment(query, "since"),
            until=_moment(query, "until"),
        )
        page, cursor = page_events(
            find_events(organization_id, wanted),
            scope=f"audit/{organization_id}",
            cursor=query.get("cursor"),
            limit=pagination.parse_limit(query.get("limit")),
        )
        return Response({"results": [_represent(row) for row in page], "next": cursor})


class Export(_Audit):
    """The whole log."""

    @extend_schema(responses={(200, "application/jsonl"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream the whole log as JSONL: canonical bytes, payloads and salts. For `expacti verify`."""
        organization_id = access_of(request).organization_id
        lines = export_lines(organization_id, now=timezone.now())
        body = stream_in_thread(lines) if isinstance(request._request, ASGIRequest) else lines
        response = StreamingHttpResponse(body, content_type="application/jsonl")
        name = f"expacti-audit-{organization_id}.jsonl"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


CHUNK_LINES = 500


async def stream_in_thread(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines in chunks, each made in a thread: Django would collect a plain iterator whole."""
    while chunk := await sync_to_async(lambda: b"".join(islice(lines, CHUNK_LINES)))():
        yield chunk


def _represent(row: AuditEvent) -> dict[str, Any]:
    return {
        "record": record_of(row),
        "leaf": bytes(row.leaf_hash).hex(),
        "payload": payload_of(row),
    }


def _moment(query: Any, name: str) -> Any:
    text = query.get(name)
    if not text:
        return None
    moment = parse_moment(text)
    if moment is None:
        raise invalid(FieldError(f"/{name}", "invalid", "A time with a zone."))
    return moment
