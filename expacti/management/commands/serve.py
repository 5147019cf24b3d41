"""Serve pages, API, long polls and WebSockets from one process: the embedded default."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand

KEEP_ALIVE_S = 75


class Command(BaseCommand):
    """Behind a proxy in production; alone on 127.0.0.1 otherwise."""

    help = "Start one ASGI server process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, **options: Any) -> None:
        uvicorn.run(
            "expacti.asgi:application",
            host=options["host"],
            port=options["port"],
            log_config=None,
            access_log=False,  # an access log holds paths and addresses; ours is the audit log
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
            # Deflate costs 96 KiB a socket.
            ws_per_message_deflate=False,
            ws_max_size=64 * 1024,
        )
