"""Compact JWS with Ed25519, written by hand so that only what is allowed exists.

No algorithm is read from a token to choose code: the header must be exactly
`{"alg":"EdDSA","kid":…,"typ":…}`, so `none`, HMAC, `crit`, `jwk`, `jku` and `x5*` have no path.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from expacti_agent.canonical import CanonicalError, canonical, parse, parse_canonical

ALGORITHM = "EdDSA"
KEY_BYTES = 32
MAX_TOKEN = 16 * 1024
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")


class JwsError(ValueError):
    """The token or key is refused. `check` names which check failed."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key; `x` is its 32 bytes."""

    x: bytes

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint: base64url of SHA-256, without padding."""
        return encode(hashlib.sha256(canonical(self.as_jwk())).digest())

    def as_jwk(self) -> dict[str, str]:
        """Return the JWK's required members, `crv`, `kty` and `x`."""
        return {"crv": "Ed25519", "kty": "OKP", "x": encode(self.x)}

    @classmethod
    def from_jwk(cls, jwk: object) -> PublicKey:
        """Read a JWK.

        Raises:
            JwsError: another type of key, a private one, or a `kid` that is not its thumbprint.
        """
        if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
            raise JwsError("jwk", "not an Ed25519 key")
        if "d" in jwk or not isinstance(jwk.get("x"), str):
            raise JwsError("jwk", "not a public key")
        if jwk.get("alg", ALGORITHM) != ALGORITHM or jwk.get("use", "sig") != "sig":
            raise JwsError("jwk", "a key for another purpose")
        raw = decode(jwk["x"])
        if len(raw) != KEY_BYTES:
            raise JwsError("jwk", "a key of the wrong length")
        key = cls(raw)
        if jwk.get("kid", key.kid) != key.kid:
            raise JwsError("kid", "a key id that is not the key's thumbprint")
        return key


@dataclass(frozen=True)
class Token:
    """A parsed token whose signature has not been checked yet; only `kid` may be used."""

    kid: str
    signed: bytes
    payload: bytes
    signature: bytes

    def verified(self, key: PublicKey) -> dict[str, object]:
        """Return the payload after checking the signature.

        Raises:
            JwsError: another key, a wrong signature, or a payload that is not canonical.
        """
        if self.kid != key.kid:
            raise JwsError("kid", "signed with another key")
        try:
            Ed25519PublicKey.from_public_bytes(key.x).verify(self.signature, self.signed)
        except (InvalidSignature, ValueError):
            raise JwsError("signature", "the signature does not verify") from None
        try:
            payload = parse_canonical(self.payload)
        except CanonicalError as error:
            raise JwsError("payload", f"the payload holds {error}") from None
        if not isinstance(payload, dict):
            raise JwsError("payload", "the payload is not an object")
        return payload


def parse_token(token: str, typ: str) -> Token:
    """Take a compact JWS apart and check its protected header against the allow-list.

    Raises:
        JwsError: not a compact JWS, or a header other than exactly `alg`, `kid`, `typ`.
    """
    parts = token.split(".") if len(token) <= MAX_TOKEN else []
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise JwsError("form", "not a compact JWS")
    raw_header, payload, signature = map(decode, parts)
    try:
        header = parse(raw_header)
    except CanonicalError as error:
        raise JwsError("header", f"the header holds {error}") from None
    if not isinstance(header, dict):
        raise JwsError("header", "the header is not an object")
    if header.get("alg") != ALGORITHM:
        raise JwsError("alg", "an algorithm other than EdDSA")
    if header.get("typ") != typ:
        raise JwsError("typ", f"a type other than {typ}")
    if set(header) != {"alg", "kid", "typ"}:
        raise JwsError("header", "a header member that is not allowed")
    kid = header["kid"]
    if not isinstance(kid, str):
        raise JwsError("kid", "a key id that is not text")
    signed = f"{parts[0]}.{parts[1]}".encode("ascii")
    return Token(kid=kid, signed=signed, payload=payload, signature=signature)


def encode(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode base64url without padding, in its one canonical spelling.

    Raises:
        JwsError: anything else.
    """
    if not _BASE64URL.match(text):
        raise JwsError("form", "not base64url")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise JwsError("form", "not base64url") from None
    if encode(raw) != text:
        raise JwsError("form", "not canonical base64url")
    return raw
