"""Two Django handlers in one process: pages with every middleware, agents with almost none.

A request that carries `Authorization` gets the short stack. Session, CSRF, messages and OTP are for
browsers, and cost an agent's request half of its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

AUTHORIZATION = b"authorization"


@contextmanager
def _api_middleware() -> Iterator[None]:
    # Django's handlers read settings.MIDDLEWARE once, while they are built, at process start.
    pages, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.API_MIDDLEWARE
    try:
        yield
    finally:
        settings.MIDDLEWARE = pages


class LeanASGIHandler(ASGIHandler):
    """Django under ASGI with `API_MIDDLEWARE`."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        with _api_middleware():
            super().load_middleware(is_async)


class LeanWSGIHandler(WSGIHandler):
    """Django under WSGI with `API_MIDDLEWARE`."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        with _api_middleware():
            super().load_middleware(is_async)


class ASGIDispatcher:
    """Choose the handler by the presence of an Authorization header on an API path."""

    def __init__(self) -> None:
        self.pages = ASGIHandler()
        self.lean = LeanASGIHandler()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await (self.lean if is_lean(scope) else self.pages)(scope, receive, send)


def is_lean(scope: dict[str, Any]) -> bool:
    """Tell whether the request is an API request that brings its own credential."""
    if not scope["path"].startswith("/api/v1/"):
        return False
    return any(name == AUTHORIZATION for name, _value in scope["headers"])
