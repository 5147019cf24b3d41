"""What operators, clients and finders of holes ask without signing in."""

from __future__ import annotations

from datetime import timedelta

import redis
from django.conf import settings
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.selectors.grant_keys import list_published_keys

SECURITY_TXT_AGE = timedelta(days=180)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    del request
    return JsonResponse({"status": "ok", "version": settings.VERSION})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say which part is down; 503 while one is."""
    del request
    parts = {alias: _database_ready(alias) for alias in connections}
    if settings.REDIS_URL:
        parts["redis"] = _redis_ready()
    ready = all(parts.values())
    body = {name: "ok" if good else "down" for name, good in parts.items()}
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Say where to report a hole (RFC 9116)."""
    del request
    expires = (timezone.now() + SECURITY_TXT_AGE).strftime("%Y-%m-%dT00:00:00Z")
    lines = [f"Contact: {settings.SECURITY_CONTACT}", f"Expires: {expires}", "Preferred-Languages: en"]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@require_safe
def grant_keys(request: HttpRequest) -> HttpResponse:
    """Publish the keys that sign grants, and the old keys' word for the new."""
    del request
    response = JsonResponse(list_published_keys())
    response["Cache-Control"] = "max-age=60"
    return response


def _database_ready(alias: str) -> bool:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _redis_ready() -> bool:
    try:
        return bool(redis.from_url(settings.REDIS_URL, socket_timeout=2).ping())
    except redis.RedisError:
        return False
