"""Parse a `POST commands/` body, every member by name; what is unknown is refused."""

from __future__ import annotations

import hashlib
import posixpath
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from approvals.domain.request import Submission, Wish, parse_time
from core import canonical
from core.problems import FieldError, invalid

REQUIRED = frozenset(("id", "nonce", "shell", "exe", "cwd", "env", "user", "host", "stdin", "expires_at", "digest"))
OPTIONAL = frozenset(("argv", "command", "reason", "context", "release_nonce"))
ALLOWED_UUID_VERSIONS = frozenset((4, 7))
NAME_MAX_CHARS = 255
PATH_MAX_CHARS = 4_096
_HEX32 = re.compile(r"[0-9a-f]{32}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_STDIN = re.compile(r"none|open|sha256:[0-9a-f]{64}")
_ENV_NAME = re.compile(r"[^=\x00]{1,255}")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Sizes, from settings. Bytes are UTF-8 bytes."""

    command_bytes: int
    arguments: int
    env_entries: int
    reason_chars: int
    context_entries: int


class _Reader:
    """Collects field errors, so that a caller sees all of them at once."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.errors: list[FieldError] = []

    def fail(self, name: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(f"/{name}", code, detail))

    def take(self, name: str, check: Callable[[Any], str | None], code: str = "invalid") -> Any:
        """Return the member if `check` has nothing against it."""
        value = self.body.get(name)
        complaint = check(value)
        if complaint is not None:
            self.fail(name, code, complaint)
        return value


def parse_submission(body: dict[str, Any], limits: BodyLimits) -> Submission:
    """Return the submission.

    Raises:
        core.problems.Problem: 422 `invalid`, with an error for each member that is wrong.
    """
    reader = _Reader(body)
    _check_names(reader)
    wish = _read_wish(reader, limits)
    identifier = reader.take("id", _uuid)
    nonce = reader.take("nonce", _matching(_HEX32, "32 lower-case hex characters"))
    digest = reader.take("digest", _matching(_HEX64, "64 lower-case hex characters"))
    expires_at = _read_time(reader)
    reason = reader.take("reason", _text(limits.reason_chars, optional=True)) or ""
    context = reader.take("context", _context(limits.context_entries)) or {}
    release_nonce = reader.take("release_nonce", _nonce_or_nothing)
    if reader.errors:
        raise invalid(*reader.errors)
    body_hash = hashlib.sha256(canonical.dumps(body)).hexdigest()
    return Submission(identifier, nonce, wish, expires_at, digest, reason, context, release_nonce, body_hash)


def _check_names(reader: _Reader) -> None:
    for name in sorted(reader.body.keys() - REQUIRED - OPTIONAL):
        reader.fail(name, "unknown", "There is no such member.")
    for name in sorted(REQUIRED - reader.body.keys()):
        reader.fail(name, "required", "This member is required.")
    if ("argv" in reader.body) == ("command" in reader.body):
        reader.fail("argv", "required", "Send exactly one of argv and command.")


def _read_wish(reader: _Reader, limits: BodyLimits) -> Wish:
    argv = command = None
    if "argv" in reader.body:
        argv = reader.take("argv", _argv(limits))
        reader.take("shell", lambda value: None if value is None else "Null beside argv.")
    if "command" in reader.body:
        command = reader.take("command", _text(limits.command_bytes, unit="bytes"))
    path = _optional(_path)
    return Wish(
        argv=tuple(argv) if isinstance(argv, list) else None,
        command=command,
        shell=reader.take("shell", path),
        exe=reader.take("exe", path),
        cwd=reader.take("cwd", _path),
        env=reader.take("env", _env(limits.env_entries)),
        user=reader.take("user", _text(NAME_MAX_CHARS)),
        host=reader.take("host", _text(NAME_MAX_CHARS)),
        stdin=reader.take("stdin", _matching(_STDIN, "none, open or sha256: and 64 hex")),
    )


def _read_time(reader: _Reader) -> datetime:
    try:
        return parse_time(reader.body.get("expires_at") or "")
    except (ValueError, TypeError):
        reader.fail("expires_at", "invalid", "A UTC time like 2026-11-24T06:10:00Z.")
        return datetime.fromtimestamp(0, UTC)


def _uuid(value: Any) -> str | None:
    complaint = "A UUID of version 4 or 7, lower case with hyphens."
    try:
        parsed = uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        return complaint
    return None if parsed.version in ALLOWED_UUID_VERSIONS and str(parsed) == value else complaint


def _matching(pattern: re.Pattern[str], description: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        good = isinstance(value, str) and pattern.fullmatch(value)
        return None if good else f"Must be {description}."

    return check


def _nonce_or_nothing(value: Any) -> str | None:
    return None if value is None else _matching(_HEX32, "32 lower-case hex characters")(value)


def _text(limit: int, *, optional: bool = False, unit: str = "characters") -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if value is None and optional:
            return None
        if not isinstance(value, str) or (not value and not optional):
            return "Must be a non-empty string." if not optional else "Must be a string."
        size = len(value.encode()) if unit == "bytes" else len(value)
        return None if size <= limit else f"At most {limit} {unit}; this has {size}."

    return check


def _path(value: Any) -> str | None:
    if not isinstance(value, str) or not value.startswith("/") or len(value) > PATH_MAX_CHARS:
        return f"An absolute path of at most {PATH_MAX_CHARS} characters."
    if posixpath.normpath(value) != value:
        return "Must be normalized: no '.', '..', '//' or '/' at the end."
    return None


def _optional(check: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else check(value)


def _argv(limits: BodyLimits) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
            return "A list of one or more strings."
        if not value[0]:
            return "The program's name is empty."
        if len(value) > limits.arguments:
            return f"At most {limits.arguments} arguments."
        size = sum(len(word.encode()) + 1 for word in value)
        return None if size <= limits.command_bytes else f"At most {limits.command_bytes} bytes."

    return check


def _env(entries: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "An object: name to string, or to null where it is removed."
        if len(value) > entries:
            return f"At most {entries} names."
        if not all(_ENV_NAME.fullmatch(name) for name in value):
            return "A name is empty, too long or holds '='."
        good = all(item is None or isinstance(item, str) for item in value.values())
        return None if good else "A value is neither a string nor null."

    return check


def _context(entries: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, dict) or len(value) > entries:
            return f"An object of at most {entries} strings."
        good = all(isinstance(x, str) and len(x) <= NAME_MAX_CHARS for x in value.values())
        return None if good else f"Values are strings of at most {NAME_MAX_CHARS} characters."

    return check
