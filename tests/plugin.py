"""A pytest plugin that starts the real PostgreSQL and Redis before Django reads its settings.

`TEST_DATABASE=postgres` asks for them; otherwise the tests use SQLite. pytest-xdist workers inherit
the servers of the process that started them.
"""

from __future__ import annotations

import os

from tests.support import servers

WANTED = os.environ.get("TEST_DATABASE", "sqlite")

if WANTED == "postgres" and "EXPACTI_TEST_SERVERS" not in os.environ:
    os.environ["EXPACTI_TEST_SERVERS"] = str(os.getpid())
    os.environ.update(servers.start())
elif WANTED not in {"sqlite", "postgres"}:
    message = f"TEST_DATABASE is {WANTED!r}. Remedy: sqlite or postgres."
    raise SystemExit(message)
