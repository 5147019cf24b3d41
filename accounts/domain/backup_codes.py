"""Backup codes: 60 random bits in Crockford's base32, which has no letter that reads as a digit."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHARS = 12
GROUP_CHARS = 4
_READ_AS = str.maketrans({"i": "1", "l": "1", "o": "0", "-": "", " ": ""})


def generate() -> str:
    """Return a new code, `xxxx-xxxx-xxxx`."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(CHARS))
    return "-".join(code[start : start + GROUP_CHARS] for start in range(0, CHARS, GROUP_CHARS))


def normalise(text: str) -> str:
    """Return what is hashed: lower case, without groups, look-alikes read as the digits."""
    return text.strip().lower().translate(_READ_AS)
