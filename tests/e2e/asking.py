"""Agents as the server sees them: commands posted over the API, whatever a client would never send."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from approvals.domain.request import Wish, compute_digest, format_time

USUAL = {"cwd": "/srv/app", "env": {}, "user": "deploy", "host": "web-1", "stdin": "none"}


@dataclass
class Asker:
    """One agent's key."""

    url: str
    key: str

    def __post_init__(self) -> None:
        me = self._call("GET", "agent/")
        self.agent, self.organization = me["agent"]["id"], me["organization"]["id"]

    def ask(self, *argv: str, ttl: int = 3600, reason: str = "", **members: Any) -> dict[str, Any]:
        """Submit a command and return what the server answered. `line` submits a shell line."""
        line = members.pop("line", None)
        given = {**USUAL, **members}
        if line is not None:
            given = {"shell": "/bin/bash", "exe": "/bin/bash", "command": line, **given}
        else:
            given = {"shell": None, "exe": f"/usr/bin/{argv[0]}", "argv": list(argv), **given}
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=ttl)
        own = {"id": str(uuid4()), "nonce": secrets.token_hex(16)}
        wish = Wish.from_dict({"argv": None, "command": None, **given})
        digest = compute_digest(wish, organization=self.organization, agent=self.agent, expires_at=expires, **own)
        body = {**given, **own, "expires_at": format_time(expires), "digest": digest}
        if reason:
            body["reason"] = reason
        return self._call("POST", "commands/", body)

    def run(self, command: dict[str, Any], exit_code: int = 0) -> None:
        """Take the grant of an approved command and report its end."""
        nonce = {"release_nonce": secrets.token_hex(16), "digest": command["digest"]}
        self._call("POST", f"commands/{command['id']}/release/", nonce)
        result = {"exit_code": exit_code, "signal": None, "duration_ms": 1840, "output_sha256": "5e" * 32}
        self._call("POST", f"commands/{command['id']}/result/", result)

    def cancel(self, command: dict[str, Any]) -> None:
        self._call("POST", f"commands/{command['id']}/cancel/", {})

    def state(self, command: dict[str, Any]) -> str:
        return str(self._call("GET", f"commands/{command['id']}/")["state"])

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.request(method, f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=30)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found
