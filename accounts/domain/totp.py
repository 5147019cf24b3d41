"""Time-based one-time passwords: RFC 6238 with SHA-1, 6 digits, 30 seconds."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime
from urllib.parse import quote, urlencode

from core import keys

STEP_S = 30
DIGITS = 6
SEED_BYTES = 20
GROUP_CHARS = 4
_CODE = re.compile(r"[0-9]{6}")


def encode_seed(seed: bytes) -> str:
    """Return the seed as authenticator apps take it: base32 without padding."""
    return base64.b32encode(seed).decode().rstrip("=")


def decode_seed(text: str) -> bytes:
    """Return the bytes of an encoded seed."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def group(text: str, size: int = GROUP_CHARS) -> str:
    """Return the text in groups, for a person who types it."""
    return " ".join(text[start : start + size] for start in range(0, len(text), size))


def step_at(moment: datetime) -> int:
    """Return the number of the time step that holds `moment`."""
    return int(moment.timestamp()) // STEP_S


def code_at(seed: str, step: int) -> str:
    """Return the code of one time step (RFC 4226, section 5.3)."""
    digest = hmac.digest(decode_seed(seed), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).rjust(DIGITS, "0")


def clean_code(text: str) -> str:
    """Return the code without the spaces that apps show in it."""
    return "".join(text.split())


def find_step(seed: str, code: str, *, step: int, drift: int) -> int | None:
    """Return the time step around `step` whose code this is, or None.

    Every step of the window is compared, so that the time taken does not tell which was right. The
    newest match wins: the one that closes the most of the window behind it.
    """
    given = code if _CODE.fullmatch(code) else "x" * DIGITS
    found = None
    for candidate in range(step - drift, step + drift + 1):
        if keys.equal(code_at(seed, candidate), given):
            found = candidate
    return found


def provisioning_uri(seed: str, *, account: str, issuer: str) -> str:
    """Return the `otpauth:` address that the QR code holds."""
    label = f"{quote(issuer)}:{quote(account, safe='@')}"
    query = urlencode({"secret": seed, "issuer": issuer, "digits": DIGITS, "period": STEP_S})
    return f"otpauth://totp/{label}?{query}"
