"""Make a new grant key, signed by the one before. Clients follow by themselves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from approvals.services.grant_keys import rotate_grant_key


class Command(BaseCommand):
    """Grants that were taken before stay good until they expire."""

    help = "Rotate the instance's grant key."

    def handle(self, **_options: Any) -> None:
        key = rotate_grant_key(actor="system:operator", now=timezone.now())
        self.stdout.write(f"generation {key.generation} signs now: {key.kid}")
