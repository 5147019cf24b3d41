"""The API key format: `exp_`, 30 random base62 characters, 6 of CRC-32. Final."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "exp_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARS = 30
CHECKSUM_CHARS = 6
DISPLAY_CHARS = 12
_PATTERN = re.compile(rf"exp_[0-9A-Za-z]{{{RANDOM_CHARS + CHECKSUM_CHARS}}}")


def generate() -> str:
    """Return a new key; about 178 bits of it are random."""
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS))
    return body + checksum(body)


def checksum(body: str) -> str:
    """Return the 6 characters that end the key, so that a scanner can tell a key from noise."""
    number = zlib.crc32(body.encode())
    characters = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        characters = ALPHABET[digit] + characters
    return characters.rjust(CHECKSUM_CHARS, "0")


def well_formed(key: str) -> bool:
    """Tell whether the text has a key's shape and checksum (which proves nothing else)."""
    if not _PATTERN.fullmatch(key):
        return False
    return checksum(key[:-CHECKSUM_CHARS]) == key[-CHECKSUM_CHARS:]


def digest(key: str) -> bytes:
    """Return what is stored: SHA-256. The key's entropy makes a slow hash pointless."""
    return hashlib.sha256(key.encode()).digest()


def display_prefix(key: str) -> str:
    """Return the characters that may be shown later."""
    return key[:DISPLAY_CHARS]
