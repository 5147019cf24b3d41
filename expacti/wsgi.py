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

_pages = WSGIHandler()
_lean = LeanWSGIHandler()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Dispatch as `ASGIDispatcher` does."""
    lean = "HTTP_AUTHORIZATION" in environ and environ["PATH_INFO"].startswith("/api/v1/")
    return (_lean if lean else _pages)(environ, start_response)
