#!/usr/bin/env bash
# Django's deployment check with production settings: no warning may remain.
set -euo pipefail
cd "$(dirname "$0")/.."
EXPACTI_SECRET_KEY=$(.venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(60))') \
EXPACTI_ROOT_KEY=$(.venv/bin/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())') \
EXPACTI_PUBLIC_URL=https://expacti.example DJANGO_SETTINGS_MODULE=expacti.settings.production \
    .venv/bin/python manage.py check --deploy --fail-level WARNING
