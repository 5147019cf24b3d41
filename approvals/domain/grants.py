"""Grants: the signed, single-use permission to run one command. Compact JWS, Ed25519 (RFC 8037).

Format final: docs/formats.md, section 2. The tests read the grants with another implementation.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core import canonical

ALGORITHM = "EdDSA"
GRANT_TYPE = "expacti-grant+jws"
ROTATION_TYPE = "expacti-grant-key-rotation+jws"


@dataclass(frozen=True, slots=True)
class GrantKey:
    """One generation of the server's grant key. `seed` is 32 bytes and derived, never stored."""

    generation: int
    seed: bytes

    @property
    def jwk(self) -> dict[str, str]:
        """Return the public JWK with its thumbprint (RFC 7638) as `kid`."""
        return dict(_key(self.seed)[1])

    @property
    def kid(self) -> str:
        return self.jwk["kid"]

    def sign(self, payload: dict[str, Any], *, typ: str) -> str:
        """Return the compact JWS of the canonical payload."""
        private, public = _key(self.seed)
        header = {"alg": ALGORITHM, "kid": public["kid"], "typ": typ}
        signed = f"{_b64(canonical.dumps(header))}.{_b64(canonical.dumps(payload))}"
        return f"{signed}.{_b64(private.sign(signed.encode()))}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@lru_cache(maxsize=64)
def _key(seed: bytes) -> tuple[Ed25519PrivateKey, dict[str, str]]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    members = {"crv": "Ed25519", "kty": "OKP", "x": _b64(public)}
    thumbprint = _b64(hashlib.sha256(canonical.dumps(members)).digest())
    return private, {**members, "kid": thumbprint, "alg": ALGORITHM, "use": "sig"}


@dataclass(frozen=True, slots=True)
class GrantClaims:
    """What a grant says. Times are Unix seconds; `by` is `rule` or `review`."""

    iss: str
    organization: str
    agent: str
    command: str
    digest: str
    by: str
    release_nonce: str
    jti: str
    iat: int
    exp: int

    def as_dict(self) -> dict[str, Any]:
        return {"v": 1, **{name: getattr(self, name) for name in self.__slots__}}


def sign_grant(claims: GrantClaims, key: GrantKey) -> str:
    """Return the grant."""
    return key.sign(claims.as_dict(), typ=GRANT_TYPE)


def sign_rotation(old: GrantKey, new: GrantKey, *, iat: int) -> str:
    """Return the statement, signed by the old key, that the new one follows it."""
    payload = {"v": 1, "old": old.kid, "new": new.jwk, "iat": iat}
    return old.sign(payload, typ=ROTATION_TYPE)
