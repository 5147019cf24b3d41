"""What every request gets, pages and API alike."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
_ACCEPTABLE = re.compile(r"[0-9A-Za-z_-]{8,64}")
REQUEST_ID_BYTES = 12


def request_id(get_response: Handler) -> Handler:
    """Give the request an id (the proxy's, when it looks like one) and answer with it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        chosen = given if _ACCEPTABLE.fullmatch(given) else secrets.token_hex(REQUEST_ID_BYTES)
        request.request_id = chosen  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-Id"] = chosen
        return response

    return middleware


def api_headers(get_response: Handler) -> Handler:
    """Set the few headers that matter on a JSON answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return middleware
