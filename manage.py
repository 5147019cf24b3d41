#!/usr/bin/env python3
"""Run a management command. Migrations run as the databases' owner, everything else does not."""

import os
import sys

OWNER_COMMANDS = frozenset(("migrate", "setup_database_roles"))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "expacti.settings.embedded")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ["EXPACTI_DATABASE_ROLE"] = "owner"
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after the environment

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
