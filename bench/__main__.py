"""Run every measurement, or those named: `python -m bench append wake`."""

from __future__ import annotations

import importlib
import sys

from bench import database

PARTS = ("append", "whitelisted", "wake", "waiters")

if __name__ == "__main__":
    wanted = sys.argv[1:] or PARTS
    database.prepare()
    for part in wanted:
        importlib.import_module(f"bench.{part}").main()
        print()
