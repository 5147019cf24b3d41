#!/usr/bin/env bash
# Every test, on SQLite and on a real PostgreSQL and Redis, then the client's own.
set -euo pipefail
cd "$(dirname "$0")/.."
unset DJANGO_SETTINGS_MODULE DATABASE_URL DATABASE_OWNER_URL WHITELIST_DATABASE_URL REDIS_URL
pytest=".venv/bin/python -m pytest -q"
echo "== SQLite, in-memory channel layer"
TEST_DATABASE=sqlite $pytest -n 2 --ignore=tests/e2e "$@"
echo "== a browser, the client and a server on SQLite"
TEST_DATABASE=sqlite $pytest tests/e2e "$@"
# The matcher is pure, and what pages look like does not depend on the database: both were tried above.
# A browser's test keeps an event loop of its own, so that it runs in a process of its own.
echo "== PostgreSQL and Redis, as the serving role"
TEST_DATABASE=postgres $pytest --ignore=tests/whitelist --ignore=tests/e2e "$@"
echo "== a browser, the client and two servers on PostgreSQL and Redis"
TEST_DATABASE=postgres $pytest tests/e2e --ignore=tests/e2e/test_pages.py "$@"
echo "== the agent client"
(cd agent_client && ../.venv/bin/python -m pytest -q)
