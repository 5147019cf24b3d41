"""Typed reading of the environment. Every setting has a name here, and every error says it.

A secret may come from a file: `X_FILE` names it, and wins over nothing: setting both is an error.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ROOT_KEY_BYTES = 32
TRUE = frozenset(("1", "true", "yes", "on"))
FALSE = frozenset(("0", "false", "no", "off", ""))


class Env:
    """Reads one mapping (the process environment by default).

    Every method raises `ImproperlyConfigured`, naming the variable and the remedy, when a value is
    missing without a default or does not have the type.
    """

    def __init__(self, source: Mapping[str, str] | None = None) -> None:
        self._source = os.environ if source is None else source

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string."""
        value = self._source.get(name)
        if value is None or value == "":
            if default is None:
                raise _error(name, "is not set", f"set {name} (see docs/operations.md)")
            return default
        return value

    def secret(self, name: str, default: str | None = None) -> str:
        """Return a secret from `name`, or from the file that `name_FILE` names."""
        file = self._source.get(f"{name}_FILE")
        if not file:
            if default is None and not self._source.get(name):
                remedy = f"set {name} or {name}_FILE (a file that only the service can read)"
                raise _error(name, "is not set", remedy)
            return self.text(name, default)
        if self._source.get(name):
            raise _error(name, f"is set together with {name}_FILE", "keep one of the two")
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _error(f"{name}_FILE", f"cannot be read: {error}", "check path and mode") from error

    def key(self, name: str) -> bytes:
        """Return a 32-byte key, written in base64 (`openssl rand -base64 32`)."""
        try:
            key = base64.b64decode(self.secret(name), validate=True)
        except binascii.Error as error:
            raise _error(name, "is not base64", "make one: openssl rand -base64 32") from error
        if len(key) != ROOT_KEY_BYTES:
            problem = f"has {len(key)} bytes, not {ROOT_KEY_BYTES}"
            raise _error(name, problem, "make one: openssl rand -base64 32")
        return key

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean from 1/0, true/false, yes/no, on/off."""
        value = self._source.get(name)
        if value is None:
            return default
        if value.lower() in TRUE:
            return True
        if value.lower() in FALSE:
            return False
        raise _error(name, f"is {value!r}, not a boolean", "use 1 or 0")

    def integer(self, name: str, default: int, *, low: int = 0, high: int = 2**31) -> int:
        """Return a whole number from `low` to `high`."""
        value = self._source.get(name)
        if value is None or value == "":
            return default
        try:
            number = int(value)
        except ValueError as error:
            raise _error(name, f"is {value!r}, not a whole number", "write digits") from error
        if not low <= number <= high:
            raise _error(name, f"is {number}", f"choose from {low} to {high}")
        return number

    def listing(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Return the comma-separated items."""
        value = self._source.get(name)
        if value is None:
            return list(default)
        return [item.strip() for item in value.split(",") if item.strip()]

    def database(self, name: str, default: str | None = None) -> dict[str, Any]:
        """Return Django's settings for a `postgresql://…` or `sqlite:///path` URL."""
        url = self.secret(name, default)
        parts = urlsplit(url)
        if parts.scheme == "sqlite":
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": unquote(parts.path)}
        if parts.scheme not in {"postgres", "postgresql"}:
            remedy = "postgresql://user:password@host:port/name or sqlite:////path/file.sqlite3"
            raise _error(name, f"has the scheme {parts.scheme!r}", remedy)
        options = dict(parse_qsl(parts.query))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
            "PORT": str(parts.port or options.pop("port", "")),
            "OPTIONS": options,
        }


def _error(name: str, problem: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} {problem}. Remedy: {remedy}.")
