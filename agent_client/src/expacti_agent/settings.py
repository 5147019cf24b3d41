"""The settings in force: environment over profile; a token stays with its own server."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from expacti_agent.config import DEFAULT_PROFILE, Profile, ProfileStore, config_folder
from expacti_agent.errors import ConfigError, InsecureServerError
from expacti_agent.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"exp_[0-9A-Za-z]{36}\Z")
_BEARER = re.compile(r"[A-Za-z0-9._~+/=-]{8,4096}\Z")
_BODY_END = -6


@dataclass(frozen=True)
class Settings:
    """What a client needs. `grant_key` is a thumbprint that the pinned key must descend from."""

    url: str
    token: str = field(repr=False)
    profile: str
    store: ProfileStore
    issuer: str
    pass_env: tuple[str, ...] = ()
    grant_key: str | None = None

    @property
    def token_fingerprint(self) -> str:
        """The first 16 hex characters of the token's SHA-256, to tell tokens apart."""
        return sha256(self.token.encode("ascii")).hexdigest()[:16]

    @property
    def ledger(self) -> Ledger:
        """The ledger of this user's configuration folder."""
        return Ledger(self.store.folder / "ledger")


def load_settings(profile: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in force.

    Args:
        profile: a profile's name; None for `EXPACTI_PROFILE` or `default`.
        environ: the environment, None for this process's.

    Raises:
        ConfigError: no URL or token, or one that is malformed.
        InsecureServerError: plain HTTP to another machine.
    """
    env = os.environ if environ is None else environ
    name = profile or env.get("EXPACTI_PROFILE") or DEFAULT_PROFILE
    store = ProfileStore(config_folder(env))
    saved = store.load(name)
    url = env.get("EXPACTI_URL") or saved.url
    if not url:
        raise ConfigError(
            f"no server is configured (profile {name})",
            remedy="Run `expacti login --url …`, or set EXPACTI_URL and EXPACTI_TOKEN.",
        )
    origin = check_url(url)
    return Settings(
        url=origin,
        token=_token(env, saved, origin),
        profile=name,
        store=store,
        issuer=env.get("EXPACTI_ISSUER") or saved.issuer or origin,
        pass_env=saved.pass_env,
        grant_key=env.get("EXPACTI_GRANT_KEY") or None,
    )


def check_url(url: str) -> str:
    """Return the origin of a server's URL, `https://host[:port]`.

    Raises:
        ConfigError: not an http(s) URL, or one with a path, a query or credentials.
        InsecureServerError: plain HTTP to a host that is not loopback.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"not a URL: {url}") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigError(f"not an http(s) URL: {url}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("the server's URL holds credentials, a query or a fragment")
    if parts.path not in ("", "/"):
        raise ConfigError(f"the server's URL has a path: {parts.path}", remedy="Leave it out.")
    if parts.scheme == "http" and not is_loopback(host):
        raise InsecureServerError(
            f"plain HTTP to {host} would show the token to the network",
            remedy="Use https://; plain HTTP is for this machine's own addresses.",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def is_loopback(host: str) -> bool:
    """Tell whether a host name is this machine's: localhost or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(token: str) -> str:
    """Return the token without surrounding white space.

    Raises:
        ConfigError: not a bearer token, or an API key whose checksum is wrong (a typing error).
    """
    token = token.strip()
    if not _BEARER.match(token):
        raise ConfigError("that is not a token", remedy="Copy the whole API key, `exp_…`.")
    if token.startswith("exp_"):
        total = zlib.crc32(token[:_BODY_END].encode("ascii"))
        if not _KEY.match(token) or _base62(total) != token[_BODY_END:]:
            raise ConfigError("the API key is incomplete or mistyped (its checksum is wrong)")
    return token


def _base62(number: int) -> str:
    digits = ""
    for _ in range(-_BODY_END):
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return digits


def _token(env: Mapping[str, str], saved: Profile, origin: str) -> str:
    if env.get("EXPACTI_TOKEN"):
        return check_token(env["EXPACTI_TOKEN"])
    if env.get("EXPACTI_TOKEN_FILE"):
        return read_token_file(env["EXPACTI_TOKEN_FILE"])
    if not (saved.token or saved.token_file):
        raise ConfigError(
            "no token is configured",
            remedy="Run `expacti login --url …`, or set EXPACTI_TOKEN or EXPACTI_TOKEN_FILE.",
        )
    if saved.url and check_url(saved.url) != origin:
        raise ConfigError(
            f"EXPACTI_URL names {origin}, but the saved token is for {saved.url}",
            remedy="Set EXPACTI_TOKEN too, or log in to that server under another --profile.",
        )
    return check_token(saved.token) if saved.token else read_token_file(saved.token_file or "")


def read_token_file(name: str) -> str:
    """Read a token from a file with an absolute path.

    Raises:
        ConfigError: no such file, a relative path, or no token in it.
    """
    if not Path(name).is_absolute():
        raise ConfigError(f"the token file's path is not absolute: {name}")
    try:
        with Path(name).open(encoding="ascii") as file:
            return check_token(file.read(8192))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the token file cannot be read: {error}") from None
