"""Found an organization with its first owner: where sign-up is switched off, and at the very start."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.selectors import find_user_by_email
from accounts.services import create_user
from approvals.services.onboarding import found_organization
from core.problems import Problem

ACTOR = "system:operator"


class Command(BaseCommand):
    """The owner enrols a second factor at the first sign-in."""

    help = "Create an organization and its owner. Asks for the owner's password, or reads it from stdin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="what people call it")
        parser.add_argument("--slug", required=True, help="short, lower case, with hyphens")
        parser.add_argument("--owner-email", required=True)
        parser.add_argument("--owner-name", default="")

    def handle(self, **options: Any) -> None:
        try:
            with transaction.atomic():
                organization = _found(options)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(f"{organization.name}: {organization.id}. Sign in as {options['owner_email']}.")


def _found(options: dict[str, Any]) -> Any:
    now = timezone.now()
    owner = find_user_by_email(options["owner_email"])
    if owner is None:
        owner = create_user(
            email=options["owner_email"], password=read_password(), name=options["owner_name"], actor=ACTOR, now=now
        )
    return found_organization(name=options["name"], slug=options["slug"], owner=owner, actor=ACTOR, now=now)


def read_password() -> str:
    """Ask for a password, or read it from standard input."""
    # Never an argument: those are in the shell's history and in the process list.
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Owner's password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("The two are not the same. Nothing was created.")
    return password
