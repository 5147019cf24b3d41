"""The instance's grant keys: derived by generation, published with the old keys' word for the new."""

from __future__ import annotations

from typing import Any

from approvals.domain.grants import GrantKey
from approvals.models import GrantKeyGeneration
from core import keys

FIRST_GENERATION = 1


def grant_key(generation: int) -> GrantKey:
    """Return one generation's key."""
    return GrantKey(generation, keys.derive("grant", str(generation)))


def get_grant_key() -> GrantKey:
    """Return the key that signs now. One query."""
    latest = (
        GrantKeyGeneration.objects.order_by("-generation")
        .values_list("generation", flat=True)
        .first()
    )
    return grant_key(latest or FIRST_GENERATION)


def list_published_keys() -> dict[str, Any]:
    """Return what `/.well-known/expacti-grant-keys.json` says."""
    rows = list(GrantKeyGeneration.objects.order_by("generation"))
    numbers = [row.generation for row in rows] or [FIRST_GENERATION]
    published = [grant_key(number) for number in numbers]
    return {
        "keys": [key.jwk for key in published],
        "current": published[-1].kid,
        "rotations": [row.rotation for row in rows if row.rotation],
    }
