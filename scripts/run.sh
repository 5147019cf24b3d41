#!/usr/bin/env bash
# `make run`: set up, migrate, seed a demo organization, start one ASGI process on 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh run
python=.venv/bin/python
port="${PORT:-8000}"
state="${EXPACTI_STATE_DIR:-var}"
mkdir -p staticfiles
umask 077
mkdir -p "$state/secrets"
[ -s "$state/secrets/expacti_root_key" ] || "$python" -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())' >"$state/secrets/expacti_root_key"
[ -s "$state/secrets/expacti_secret_key" ] || "$python" -c 'import secrets; print(secrets.token_urlsafe(60))' >"$state/secrets/expacti_secret_key"
export DJANGO_SETTINGS_MODULE="${DJANGO_SETTINGS_MODULE:-expacti.settings.embedded}"
export EXPACTI_PUBLIC_URL="${EXPACTI_PUBLIC_URL:-http://127.0.0.1:$port}"
"$python" manage.py migrate --verbosity 0
"$python" manage.py migrate --database whitelist --verbosity 0
"$python" manage.py setup_database_roles
"$python" manage.py seed_demo
exec "$python" manage.py serve --port "$port"
