"""The REST API's shared edges: strict JSON in, problem+json out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.response import Response

from accounts.api.authentication import CHALLENGE
from core import canonical
from core.problems import CONTENT_TYPE, Problem, not_found

logger = logging.getLogger(__name__)
RETRY_AFTER_S = 2


class StrictJSONParser(BaseParser):
    """JSON without duplicate keys, NaN, floats, NUL or lone surrogates; at most `API_BODY_BYTES`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        del media_type, parser_context
        try:
            body = stream.read(settings.API_BODY_BYTES + 1)
        except RequestDataTooBig as error:
            raise _too_large() from error
        if len(body) > settings.API_BODY_BYTES:
            raise _too_large()
        try:
            value = canonical.loads(body)
        except canonical.CanonicalError as error:
            detail = f"The body is not acceptable JSON: {error}."
            raise Problem(400, "malformed_json", detail) from error
        if not isinstance(value, dict):
            raise Problem(400, "malformed_json", "The body is not a JSON object.")
        return value


def _too_large() -> Problem:
    return Problem(413, "body_too_large", f"At most {settings.API_BODY_BYTES} bytes.")


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn what a view raises into RFC 9457; an unknown error stays a 500 of Django's."""
    problem = _as_problem(error)
    if problem is None:
        return None
    request = context["request"]
    if problem.status == 401:
        problem.headers.setdefault("WWW-Authenticate", CHALLENGE)  # RFC 9110 wants one
    request_id = getattr(request._request, "request_id", "")
    return Response(
        problem.body(request_id),
        status=problem.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def _as_problem(error: Exception) -> Problem | None:  # noqa: PLR0911 - a table
    if isinstance(error, Problem):
        return error
    if isinstance(error, Http404 | exceptions.NotFound):
        return not_found()
    if isinstance(error, exceptions.MethodNotAllowed):
        return Problem(405, "method_not_allowed", str(error.detail))
    if isinstance(error, exceptions.UnsupportedMediaType):
        return Problem(415, "unsupported_media_type", "Send application/json.")
    if isinstance(error, exceptions.NotAuthenticated):
        return Problem(401, "not_authenticated", "Send Authorization: Bearer exp_…")
    if isinstance(error, exceptions.PermissionDenied):
        return Problem(403, "role_required", "This credential may not do that.")
    if isinstance(error, exceptions.Throttled):
        headers = {"Retry-After": str(int(getattr(error, "wait", None) or RETRY_AFTER_S))}
        return Problem(429, "throttled", "Too many requests.", headers=headers)
    if isinstance(error, exceptions.APIException):
        return Problem(error.status_code, "invalid", str(error.detail))
    if isinstance(error, OperationalError):
        logger.error("the database is not available", exc_info=error)
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return Problem(503, "unavailable", "Try again shortly. Nothing was done.", headers=headers)
    return None
