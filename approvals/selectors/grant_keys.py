"""The instance's grant keys: derived by generation, published with the old keys' word for the new."""

from __future__ import annotations

import time
from typing import Any

from approvals.domain.grants import GrantKey
from approvals.models import GrantKeyGeneration
from core import keys

FIRST_GENERATION = 1
REMEMBER_S = 10.0
_remembered: tuple[float, GrantKey | None] = (0.0, None)


def grant_key(generation: int) -> GrantKey:
    """Return one generation's key."""
    return GrantKey(generation, keys.derive("grant", str(generation)))


def get_grant_key() -> GrantKey:
    """Return the key that signs now. One query each `REMEMBER_S` seconds.

    A process that signs with the key before for that long harms nobody: clients trust it for as long
    as they trust the new one, which it vouched for.
    """
    global _remembered  # noqa: PLW0603 - one value per process
    until, key = _remembered
    if key is None or time.monotonic() >= until:
        newest = GrantKeyGeneration.objects.order_by("-generation").values_list("generation", flat=True)
        key = grant_key(newest.first() or FIRST_GENERATION)
        _remembered = (time.monotonic() + REMEMBER_S, key)
    return key


def forget_grant_key() -> None:
    """Ask the database again: after a rotation, in its own process."""
    global _remembered  # noqa: PLW0603 - one value per process
    _remembered = (0.0, None)


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
