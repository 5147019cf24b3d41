"""Profiles: one private JSON file each, in the platform's configuration folder.

Never read from the working folder: a repository that an agent works in cannot configure it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from expacti_agent.errors import ConfigError
from expacti_agent.jws import JwsError, PublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PROFILE = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


@dataclass(frozen=True)
class Identity:
    """Who a token is: ids are UUIDs, names are for people."""

    agent: str
    agent_name: str
    organization: str
    organization_name: str


@dataclass(frozen=True)
class Pin:
    """What is trusted of one server.

    `key` is the pinned grant key; `history` the thumbprints of all keys pinned so far, this one
    last; `identities` is by the first 16 hex characters of the token's SHA-256.
    """

    key: PublicKey
    history: tuple[str, ...]
    identities: Mapping[str, Identity] = field(default_factory=dict)

    def rotated(self, chain: tuple[PublicKey, ...]) -> Pin:
        """Return the pin moved along a verified chain, whose first key is the pinned one."""
        later = tuple(key.kid for key in chain[1:])
        return replace(self, key=chain[-1], history=self.history + later)

    def with_identity(self, fingerprint: str, identity: Identity) -> Pin:
        """Return the pin with one more identity."""
        return replace(self, identities={**self.identities, fingerprint: identity})


@dataclass(frozen=True)
class Profile:
    """One profile file. `pins` is by the server's origin, such as `https://expacti.example`."""

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    issuer: str | None = None
    pass_env: tuple[str, ...] = ()
    pins: Mapping[str, Pin] = field(default_factory=dict)


def config_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of profiles and ledger: `EXPACTI_CONFIG_DIR`, or the platform's place.

    Raises:
        ConfigError: a folder that is not absolute (it would be read from the working folder).
    """
    env = os.environ if environ is None else environ
    if env.get("EXPACTI_CONFIG_DIR"):
        folder = Path(env["EXPACTI_CONFIG_DIR"])
    elif sys.platform == "win32":  # pragma: no cover
        folder = Path(env.get("APPDATA") or Path.home() / "AppData/Roaming") / "expacti"
    elif sys.platform == "darwin":  # pragma: no cover
        folder = Path.home() / "Library/Application Support/expacti"
    elif Path(env.get("XDG_CONFIG_HOME", "")).is_absolute():
        folder = Path(env["XDG_CONFIG_HOME"]) / "expacti"
    else:
        folder = Path.home() / ".config/expacti"
    if not folder.is_absolute():
        raise ConfigError(f"the configuration folder is not an absolute path: {folder}")
    return folder


class ProfileStore:
    """Loads and saves the profiles of one configuration folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file of the profile `name`.

        Raises:
            ConfigError: not a name (letters, digits, `_.-`).
        """
        if not _NAME.match(name):
            raise ConfigError(f"not a profile name: {name!r}")
        return self.folder / "profiles" / f"{name}.json"

    def load(self, name: str) -> Profile:
        """Return a profile, an empty one if it was never saved.

        Raises:
            ConfigError: unreadable, malformed, or open to other users.
        """
        path = self.path(name)
        try:
            with path.open("rb") as file:
                complaint = unsafe(os.fstat(file.fileno()))
                if complaint:
                    raise ConfigError(
                        f"{path} {complaint}", remedy=f"Check it, then: chmod 600 '{path}'"
                    )
                return _profile_from(json.load(file))
        except FileNotFoundError:
            return Profile()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} cannot be read as a profile: {error}") from None

    def save(self, name: str, profile: Profile) -> None:
        """Write a profile durably and at once: mode 0600, folders 0700.

        Raises:
            ConfigError: it cannot be written.
        """
        path = self.path(name)
        text = json.dumps(_profile_json(profile), indent=2, sort_keys=True) + "\n"
        try:
            for folder in (self.folder, path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink()
                raise
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error}") from error

    def update_pin(self, name: str, origin: str, pin: Pin) -> None:
        """Store what is trusted of one server in the profile `name`."""
        profile = self.load(name)
        self.save(name, replace(profile, pins={**profile.pins, origin: pin}))


def unsafe(info: os.stat_result) -> str:
    """Return what is wrong with a private file's owner or mode, or an empty string."""
    if os.name == "nt":  # pragma: no cover
        return ""
    if info.st_uid not in (os.getuid(), 0):
        return "belongs to another user"
    if stat.S_IMODE(info.st_mode) & 0o077:
        return "is open to other users"
    return ""


def _profile_json(profile: Profile) -> dict[str, object]:
    pins = {
        origin: {
            "key": pin.key.as_jwk(),
            "history": list(pin.history),
            "identities": {name: vars(who) for name, who in pin.identities.items()},
        }
        for origin, pin in profile.pins.items()
    }
    values = {
        "url": profile.url,
        "token": profile.token,
        "token_file": profile.token_file,
        "issuer": profile.issuer,
        "pass_env": list(profile.pass_env) or None,
    }
    kept = {key: value for key, value in values.items() if value is not None}
    return {"version": 1, "pins": pins, **kept}


def _profile_from(data: dict[str, object]) -> Profile:
    if data.get("version") != 1:
        raise ValueError("another version than 1")
    raw_pins = data.get("pins", {})
    names = data.get("pass_env", [])
    if not isinstance(raw_pins, dict) or not isinstance(names, list):
        raise TypeError("pins or pass_env is malformed")
    return Profile(
        url=_text(data, "url"),
        token=_text(data, "token"),
        token_file=_text(data, "token_file"),
        issuer=_text(data, "issuer"),
        pass_env=tuple(str(name) for name in names),
        pins={origin: _pin_from(pin) for origin, pin in raw_pins.items()},
    )


def _pin_from(data: dict[str, dict[str, dict[str, str]]]) -> Pin:
    try:
        key = PublicKey.from_jwk(data["key"])
    except JwsError as error:
        raise ValueError(f"the pinned key is {error}") from None
    identities = {name: Identity(**who) for name, who in data["identities"].items()}
    return Pin(key=key, history=tuple(data["history"]), identities=identities)


def _text(data: dict[str, object], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value
