"""Let a person into an organization, with a new account where they have none. Invitations come later."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import Organization
from accounts.selectors import find_user_by_email
from accounts.services import add_membership, create_user
from core.problems import Problem
from expacti.management.commands.create_organization import ACTOR, read_password


class Command(BaseCommand):
    """Who needs a second factor enrols it at the first sign-in."""

    help = "Add a member. For a new account asks for a password, or reads it from stdin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, help="its slug")
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", default="")
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])

    def handle(self, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']!r}.")
        try:
            with transaction.atomic():
                _add(organization, options)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(f"{options['email']} is {options['role']} in {organization.name}.")


def _add(organization: Organization, options: dict[str, Any]) -> None:
    now = timezone.now()
    user = find_user_by_email(options["email"])
    if user is None:
        user = create_user(email=options["email"], password=read_password(), name=options["name"], actor=ACTOR, now=now)
    add_membership(
        organization_id=organization.id,
        user=user,
        role=options["role"],
        actor=ACTOR,
        actor_role=Role.OWNER,
        now=now,
    )
