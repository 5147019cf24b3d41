"""Keys: all derived from one root key that is never in a database.

HKDF (RFC 5869), SHA-256, empty salt, `info = "expacti/" + purpose + "/1/" + context`. A purpose
has one use; a context is mostly an organization's UUID.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_BYTES = 32


@lru_cache(maxsize=16_384)
def derive(purpose: str, context: str = "") -> bytes:
    """Return the 32-byte key for one purpose and context."""
    info = f"expacti/{purpose}/1/{context}".encode()
    hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
    return hkdf.derive(settings.ROOT_KEY)


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256(key, message)."""
    return hmac.digest(key, message, hashlib.sha256)


def equal(left: bytes | str, right: bytes | str) -> bool:
    """Compare two secrets or MACs in constant time."""
    as_bytes = [value.encode() if isinstance(value, str) else value for value in (left, right)]
    return hmac.compare_digest(*as_bytes)
