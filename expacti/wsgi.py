"""WSGI entry point, for short requests: long polls and sockets need `expacti.asgi`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "expacti.settings.production")

import django

django.setup(set_prefix=False)

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402 - after setup

from expacti.handlers import LeanWSGIHandler  # noqa: E402 - after setup

HOLD_HEADER = "x-expacti-hold"
_pages = WSGIHandler()
_lean = LeanWSGIHandler()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Dispatch as `ASGIDispatcher` does."""
    lean = "HTTP_AUTHORIZATION" in environ and environ["PATH_INFO"].startswith("/api/v1/")

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        # Here nothing waits: the answer is sent at once, and the mark is for nobody.
        return start_response(status, [pair for pair in headers if pair[0].lower() != HOLD_HEADER], *rest)

    return (_lean if lean else _pages)(environ, start)
