#!/usr/bin/env bash
# What CI checks before the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
export DJANGO_SETTINGS_MODULE=expacti.settings.testing
bin=.venv/bin
echo "== ruff"
$bin/ruff check .
$bin/ruff format --check .
echo "== mypy"; $bin/mypy
echo "== mypy, the client"; (cd agent_client && ../$bin/mypy)
echo "== layers"; $bin/lint-imports
echo "== migrations"; $bin/python manage.py makemigrations --check --dry-run
echo "== deployment check"; bash scripts/check_deploy.sh
echo "== shell"; bash -n scripts/*.sh .ci/run
