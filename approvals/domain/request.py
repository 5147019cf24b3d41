"""What an agent asks for: parsed strictly, and bound by one digest.

The digest's format, `expacti/command/1`, can never change (docs/formats.md, section 1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core import canonical, keys

DIGEST_PREFIX = b"expacti/command/1\n"
DIGEST_VERSION = 1
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Wish:
    """The part of a request that says what is to run, and where.

    Exactly one of `argv` and `command` is set. `env` is the complete difference from the base
    environment: None removes a name.
    """

    argv: tuple[str, ...] | None
    command: str | None
    shell: str | None
    exe: str | None
    cwd: str
    env: dict[str, str | None]
    user: str
    host: str
    stdin: str

    def as_dict(self) -> dict[str, Any]:
        """Return the members as they enter digest and fingerprint."""
        line = {"argv": list(self.argv)} if self.argv is not None else {"command": self.command}
        return {
            **line,
            "cwd": self.cwd,
            "env": self.env,
            "exe": self.exe,
            "host": self.host,
            "shell": self.shell,
            "stdin": self.stdin,
            "user": self.user,
        }

    @classmethod
    def from_dict(cls, members: dict[str, Any]) -> Wish:
        """Rebuild what `as_dict` returned."""
        argv = members.get("argv")
        return cls(
            argv=None if argv is None else tuple(argv),
            command=members.get("command"),
            shell=members["shell"],
            exe=members["exe"],
            cwd=members["cwd"],
            env=members["env"],
            user=members["user"],
            host=members["host"],
            stdin=members["stdin"],
        )

    @property
    def path_bound(self) -> bool:
        """Tell whether the digest fixes which program file runs."""
        return self.exe is not None


@dataclass(frozen=True, slots=True)
class Submission:
    """A parsed `POST commands/` body. `body_hash` recognises a repeated request."""

    id: str
    nonce: str
    wish: Wish
    expires_at: datetime
    digest: str
    reason: str
    context: dict[str, str]
    release_nonce: str | None
    body_hash: str


def compute_digest(
    wish: Wish,
    *,
    organization: str,
    agent: str,
    id: str,  # noqa: A002 - the member's name
    nonce: str,
    expires_at: datetime,
) -> str:
    """Return the hex digest that binds one request."""
    bound = {
        **wish.as_dict(),
        "agent": agent,
        "expires_at": format_time(expires_at),
        "id": id,
        "nonce": nonce,
        "organization": organization,
        "v": DIGEST_VERSION,
    }
    return hashlib.sha256(DIGEST_PREFIX + canonical.dumps(bound)).hexdigest()


def compute_fingerprint(wish: Wish, *, agent: str, key: bytes) -> str:
    """Return the hex HMAC that recognises the same wish again."""
    return keys.mac(key, canonical.dumps({**wish.as_dict(), "agent": agent})).hex()


def format_time(moment: datetime) -> str:
    """Return `YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime(TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Return the moment that `format_time` wrote.

    Raises:
        ValueError: any other spelling.
    """
    moment = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    if format_time(moment) != text:
        message = f"not written as {TIME_FORMAT}"
        raise ValueError(message)
    return moment
