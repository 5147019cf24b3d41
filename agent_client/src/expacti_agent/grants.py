"""The complete check of a grant against the request that this client holds."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from expacti_agent.errors import GrantRefusedError, KeyNotTrustedError
from expacti_agent.jws import JwsError, PublicKey, Token, parse_token

if TYPE_CHECKING:
    from expacti_agent.request import Request

GRANT_TYPE = "expacti-grant+jws"
MEMBERS = frozenset(
    ("v", "iss", "organization", "agent", "command", "digest", "by", "release_nonce")
) | {"jti", "iat", "exp"}
CLOCK_TOLERANCE_S = 300
_HEX32 = re.compile(r"[0-9a-f]{32}\Z")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Grant:
    """A grant that passed every check. `expires_at` is Unix time; `jti` is 32 hex characters."""

    jti: str
    command: str
    digest: str
    by: Literal["rule", "review"]
    expires_at: int
    token: str


def parse_grant(token: str) -> Token:
    """Take a grant apart without trusting it, to learn which key it names.

    Raises:
        GrantRefusedError: its form or header is not allowed.
    """
    try:
        return parse_token(token, GRANT_TYPE)
    except JwsError as error:
        raise GrantRefusedError(error.check, str(error)) from None


def verify_grant(token: str, key: PublicKey, request: Request, *, issuer: str, now: float) -> Grant:
    """Check signature and every member of a grant; return it only if all hold.

    Args:
        token: the compact JWS.
        key: the trusted grant key.
        request: what this client submitted and is about to execute.
        issuer: the server's URL; scheme, host and port are compared with `iss`.
        now: this machine's Unix time.

    Raises:
        KeyNotTrustedError: signed with another key.
        GrantRefusedError: any other check; `check` names it.
    """
    parsed = parse_grant(token)
    if parsed.kid != key.kid:
        raise KeyNotTrustedError("kid", "signed with a key that is not the pinned one")
    try:
        payload = parsed.verified(key)
    except JwsError as error:
        raise GrantRefusedError(error.check, str(error)) from None
    if set(payload) != MEMBERS:
        raise GrantRefusedError("members", "its members are not the agreed ones")
    _check_identity(payload, request, issuer)
    _check_time(payload, request, now)
    by, jti = payload["by"], payload["jti"]
    if by not in ("rule", "review"):
        raise GrantRefusedError("by", "neither a rule nor a review is named as its reason")
    if by == "rule" and request.bound.stdin == "open":
        raise GrantRefusedError("by", "a rule approved a command with open standard input")
    if not isinstance(jti, str) or not _HEX32.match(jti):
        raise GrantRefusedError("jti", "its jti is not 32 hex characters")
    return Grant(
        jti=jti,
        command=request.bound.id,
        digest=request.digest,
        by="rule" if by == "rule" else "review",
        expires_at=request.bound.expires_at,
        token=token,
    )


def _check_identity(payload: dict[str, object], request: Request, issuer: str) -> None:
    if type(payload["v"]) is not int or payload["v"] != 1:
        raise GrantRefusedError("v", "its version is not 1")
    expected = {
        "organization": request.bound.organization,
        "agent": request.bound.agent,
        "command": request.bound.id,
        "digest": request.digest,
        "release_nonce": request.release_nonce,
    }
    for name, value in expected.items():
        given = payload[name]
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), value.encode()):
            raise GrantRefusedError(name, f"it names another {name}")
    if origin_of(payload["iss"]) != origin_of(issuer):
        raise GrantRefusedError(
            "iss",
            f"its issuer is {payload['iss']!s}, not {issuer}",
            remedy="Log in with the URL that the server calls itself: `expacti login --url …`.",
        )


def _check_time(payload: dict[str, object], request: Request, now: float) -> None:
    iat, exp = payload["iat"], payload["exp"]
    if type(iat) is not int or type(exp) is not int:
        raise GrantRefusedError("exp", "its times are not whole seconds")
    if exp != request.bound.expires_at:
        raise GrantRefusedError("exp", "its expiry is not the request's")
    if now >= exp or request.remaining_s() <= 0:
        raise GrantRefusedError("expired", "it has expired")
    if not request.created_at - CLOCK_TOLERANCE_S <= iat <= now + CLOCK_TOLERANCE_S:
        raise GrantRefusedError(
            "iat", "its time of issue does not fit", remedy="Set this machine's clock."
        )


def origin_of(url: object) -> tuple[str, str, int]:
    """Return (scheme, host, port) of an http(s) URL, or three empty values."""
    try:
        parts = urlsplit(str(url))
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0
    if parts.scheme not in _PORTS or parts.path not in ("", "/") or parts.query or parts.username:
        return "", "", 0
    return parts.scheme, parts.hostname or "", port
