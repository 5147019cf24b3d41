"""The request digest, `expacti/command/1`. This format never changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone

from expacti_agent.canonical import canonical

DOMAIN = b"expacti/command/1\n"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Bound:
    """What one request binds: exactly this will be executed, nothing else.

    Exactly one of `argv` and `command` is set. `env` is the complete difference from the base
    environment (None removes a name). `expires_at` is Unix time in whole seconds. `stdin` is
    `none`, `open`, or `sha256:` and 64 hex characters.
    """

    organization: str
    agent: str
    id: str
    nonce: str
    argv: tuple[str, ...] | None
    command: str | None
    shell: str | None
    exe: str | None
    cwd: str
    env: dict[str, str | None]
    user: str
    host: str
    stdin: str
    expires_at: int

    def as_json(self) -> dict[str, object]:
        """Return the object that is hashed: `argv` or `command`, never both keys."""
        if (self.argv is None) == (self.command is None):
            raise ValueError("a request has either argv or command")
        what: dict[str, object] = (
            {"command": self.command} if self.argv is None else {"argv": list(self.argv)}
        )
        return {
            "v": 1,
            "organization": self.organization,
            "agent": self.agent,
            "id": self.id,
            "nonce": self.nonce,
            **what,
            "shell": self.shell,
            "exe": self.exe,
            "cwd": self.cwd,
            "env": dict(self.env),
            "user": self.user,
            "host": self.host,
            "stdin": self.stdin,
            "expires_at": format_time(self.expires_at),
        }


def digest_of(bound: dict[str, object]) -> str:
    """Return the lower-case hex SHA-256 digest of a bound object.

    Raises:
        CanonicalError: a value is outside the canonical value space.
    """
    return hashlib.sha256(DOMAIN + canonical(bound)).hexdigest()


def format_time(unix: int) -> str:
    """Return `YYYY-MM-DDTHH:MM:SSZ` for Unix time in whole seconds."""
    return datetime.fromtimestamp(unix, timezone.utc).strftime(TIME_FORMAT)


def parse_time(text: str) -> int:
    """Return Unix time in whole seconds for `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`.

    Raises:
        ValueError: another form.
    """
    whole, dot, fraction = text.partition(".")
    if dot:
        if not (fraction.endswith("Z") and fraction[:-1].isdigit()):
            raise ValueError("not a time")
        whole += "Z"
    moment = datetime.strptime(whole, TIME_FORMAT).replace(tzinfo=timezone.utc)
    return int(moment.timestamp())
