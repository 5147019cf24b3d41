"""ASGI entry point: pages, API, long polls and WebSockets."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "expacti.settings.production")

import django

django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - after setup
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from channels.sessions import SessionMiddlewareStack  # noqa: E402

from approvals.routing import websocket_urlpatterns  # noqa: E402
from expacti.handlers import ASGIDispatcher  # noqa: E402
from expacti.longpoll import LongPoll  # noqa: E402
from expacti.runner import lifespan  # noqa: E402

_http = LongPoll(ASGIDispatcher())
_websocket = AllowedHostsOriginValidator(SessionMiddlewareStack(URLRouter(websocket_urlpatterns)))
_router = ProtocolTypeRouter({"http": _http, "websocket": _websocket, "lifespan": lifespan})


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Dispatch by protocol."""
    await _router(scope, receive, send)
