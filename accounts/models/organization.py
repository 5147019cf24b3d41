import posixpath
import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.domain.roles import Role
from accounts.models.user import User

MAX_DIRECTORIES = 50


def validate_directories(value: Any) -> None:
    """Accept a list of normalized absolute folders, and nothing that reads like one.

    Raises:
        ValidationError: a string, `/`, a relative path, or one with `..` would trust too much.
    """
    if not isinstance(value, list) or len(value) > MAX_DIRECTORIES:
        raise ValidationError(f'A list of at most {MAX_DIRECTORIES} folders, like ["/usr/bin"].')
    for item in value:
        good = isinstance(item, str) and item.startswith("/") and item != "/" and posixpath.normpath(item) == item
        if not good:
            raise ValidationError(f"{item!r} is not an absolute folder like /usr/bin.")


class Organization(models.Model):
    """A customer. Everything but people belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    created_at = models.DateTimeField()
    max_ttl_s = models.PositiveIntegerField(
        "longest time to live (seconds)",
        default=86_400,
        help_text="A request that asks for more is refused. 10 seconds to 24 hours.",
    )
    trusted_directories = models.JSONField(
        default=list,
        blank=True,
        validators=[validate_directories],
        help_text="Programs outside these folders are never approved by a rule. Empty: the usual system folders.",
    )
    allow_unbound_names = models.BooleanField(
        "rules may approve plain names",
        default=True,
        help_text="Where a host runs the line itself, its path to the program is not bound.",
    )

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(max_ttl_s__gte=10, max_ttl_s__lte=86_400),
                name="organization_max_ttl",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's place in an organization."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "user"),
                condition=models.Q(removed_at=None),
                name="membership_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"
