#!/usr/bin/env bash
# Compile the pinned files. No index address may end up in them.
set -euo pipefail
cd "$(dirname "$0")/.."
for name in requirements requirements-dev; do
    .venv/bin/uv pip compile -q --no-emit-index-url --no-annotate --no-header -p 3.11 "$name.in" -o "$name.txt"
    sed -i "1i # Compiled from $name.in by \`make requirements\`; do not edit." "$name.txt"
done
