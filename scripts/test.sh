#!/usr/bin/env bash
# Every test, on SQLite and on a real PostgreSQL and Redis, then the client's own.
set -euo pipefail
cd "$(dirname "$0")/.."
unset DJANGO_SETTINGS_MODULE DATABASE_URL DATABASE_OWNER_URL WHITELIST_DATABASE_URL REDIS_URL
echo "== SQLite, in-memory channel layer"
TEST_DATABASE=sqlite .venv/bin/python -m pytest -q "$@"
echo "== PostgreSQL, Redis"
# The matcher is pure: it was tried above.
TEST_DATABASE=postgres .venv/bin/python -m pytest -q --ignore=tests/whitelist "$@"
echo "== the agent client"
(cd agent_client && ../.venv/bin/python -m pytest -q)
