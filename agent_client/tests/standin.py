"""A stand-in for the server: real HTTP, real Ed25519 grants, and hooks for every lie.

Its canonical JSON and digest are written apart from the client's, so that both can be wrong only
separately.
"""

from __future__ import annotations

import base64
import calendar
import contextlib
import hashlib
import json
import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORGANIZATION = "0b7f3c1e-8a55-4f7e-9a43-1f2e3d4c5b6a"
AGENT = "5d2c8f60-1b7a-4c39-8e21-9f8e7d6c5b4a"
TOKEN = "exp_0000000000000000000000000000003TTmtr"
Json = dict[str, Any]


def jcs(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def iso(unix: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def command_digest(bound: Json) -> str:
    return hashlib.sha256(b"expacti/command/1\n" + jcs(bound)).hexdigest()


class Key:
    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.x = self.private.public_key().public_bytes_raw()

    @property
    def jwk(self) -> Json:
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(self.x)}

    @property
    def published(self) -> Json:
        return {**self.jwk, "kid": self.kid, "alg": "EdDSA", "use": "sig"}

    @property
    def kid(self) -> str:
        return b64(hashlib.sha256(jcs(self.jwk)).digest())

    def sign(
        self, payload: Json, header: Json | None = None, typ: str = "expacti-grant+jws"
    ) -> str:
        head = {"alg": "EdDSA", "kid": self.kid, "typ": typ} if header is None else header
        signed = f"{b64(jcs(head))}.{b64(jcs(payload))}"
        return f"{signed}.{b64(self.private.sign(signed.encode()))}"

    def rotate_to(self, new: Key) -> str:
        payload = {"v": 1, "old": self.kid, "new": new.published, "iat": int(time.time())}
        return self.sign(payload, typ="expacti-grant-key-rotation+jws")


@dataclass
class Seen:
    method: str
    path: str
    headers: Json
    body: Json


@dataclass
class StandIn:
    """`policy` gives the state of a new command: pending, approved or denied.

    `forge` may replace a grant; `trouble` is asked before each request and may return a status to
    answer with, `drop` (process, then hang up), or None.
    """

    url: str = ""
    key: Key = field(default_factory=Key)
    published: Json | None = None
    policy: str = "approved"
    forge: Callable[[Json], Any] | None = None
    trouble: Callable[[str, str], Any] = lambda _method, _path: None
    lie: Callable[[Json], Json] = lambda command: command
    agent: Json = field(default_factory=lambda: {"id": AGENT, "name": "deploy-bot"})
    clock_offset: float = 0.0
    hold: bool = True
    commands: dict[str, Json] = field(default_factory=dict)
    grants: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def paths(self, method: str = "POST") -> list[str]:
        return [one.path.rsplit("/", 2)[1] for one in self.seen if one.method == method]

    def keys(self) -> Json:
        return self.published or {
            "keys": [self.key.published],
            "current": self.key.kid,
            "rotations": [],
        }

    def decide(self, state: str, code: str = "reviewer", reason: str = "") -> None:
        with self.changed:
            for command in self.commands.values():
                command["state"] = state
                command["denial"] = {"code": code, "reason": reason} if state == "denied" else None
            self.changed.notify_all()

    def claims(self, command: Json, release_nonce: str) -> Json:
        return {
            "v": 1,
            "iss": self.url,
            "organization": ORGANIZATION,
            "agent": AGENT,
            "command": command["id"],
            "digest": command["digest"],
            "by": "rule",
            "release_nonce": release_nonce,
            "jti": secrets.token_hex(16),
            "iat": int(time.time()),
            "exp": command["exp"],
        }

    def grant(self, command: Json, release_nonce: str) -> Any:
        if command["id"] not in self.grants:
            claims = self.claims(command, release_nonce)
            token = self.key.sign(claims) if self.forge is None else self.forge(claims)
            self.grants[command["id"]] = token
        return self.grants[command["id"]]

    def submit(self, body: Json) -> tuple[int, Json]:
        bound = {k: v for k, v in body.items() if k not in _OUTSIDE}
        bound.update(v=1, organization=ORGANIZATION, agent=AGENT)
        if command_digest(bound) != body["digest"]:
            return 422, {"code": "digest_mismatch", "detail": "not what I computed"}
        old = self.commands.get(body["id"])
        if old is not None and old["body"] != body:
            return 409, {"code": "id_reused", "detail": "another body"}
        expires = time.strptime(body["expires_at"], "%Y-%m-%dT%H:%M:%SZ")
        command = old or {
            "id": body["id"],
            "state": self.policy,
            "digest": body["digest"],
            "review_url": f"{self.url}/commands/{body['id']}/",
            "decide_by": body["expires_at"],
            "denial": {"code": "rule", "reason": "no"} if self.policy == "denied" else None,
            "body": body,
            "exp": calendar.timegm(expires),
        }
        self.commands[body["id"]] = command
        answer = self.show(command)
        if command["state"] == "approved" and "release_nonce" in body:
            answer["grant"] = self.grant(command, body["release_nonce"])
            answer["state"] = "released"
        return (200 if old else 201), answer

    def show(self, command: Json) -> Json:
        visible = {k: v for k, v in command.items() if k not in ("body", "exp")}
        return self.lie({**visible, "server_time": iso(time.time() + self.clock_offset)})

    def answer(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if path == "/.well-known/expacti-grant-keys.json":
            return 200, self.keys()
        if path == "/api/v1/agent/":
            server_time = iso(time.time() + self.clock_offset)
            organization = {"id": ORGANIZATION, "name": "Acme"}
            return 200, {
                "agent": self.agent,
                "organization": organization,
                "server_time": server_time,
            }
        if path == "/api/v1/commands/" and method == "POST":
            return self.submit(body)
        command = self.commands.get(parts[3]) if len(parts) > 3 else None
        if command is None:
            return 404, {"code": "not_found", "detail": "no such command"}
        return self.act(command, parts[4] if len(parts) > 4 else "", query, body)

    def act(self, command: Json, verb: str, query: Json, body: Json) -> tuple[int, Any]:
        if verb in ("", "release"):
            self.wait_for(command, float(query.get("wait", ["0"])[0]))
        if verb == "release":
            if command["state"] == "pending":
                return 202, self.show(command)
            if command["state"] != "approved":
                return 409, {"code": command["state"], "detail": "no", "request_id": "r-1"}
            grant = self.grant(command, body["release_nonce"])
            return 200, {"grant": grant, "command": self.show(command)}
        if verb == "cancel":
            self.decide("cancelled")
        if verb == "result":
            command["result"] = body
        return 200, self.show(command)

    def wait_for(self, command: Json, seconds: float) -> None:
        with self.changed:
            if self.hold:
                self.changed.wait_for(lambda: command["state"] != "pending", seconds)


_OUTSIDE = {"digest", "reason", "context", "release_nonce"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.handle_one("GET")

    def do_POST(self) -> None:
        self.handle_one("POST")

    def handle_one(self, method: str) -> None:
        standin: StandIn = self.server.standin  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        parts = urlsplit(self.path)
        seen = Seen(method, parts.path, {k.lower(): v for k, v in self.headers.items()}, body)
        standin.seen.append(seen)
        trouble = standin.trouble(method, parts.path)
        if isinstance(trouble, int):
            self.reply(trouble, {"code": "unavailable", "detail": "later"})
            return
        if isinstance(trouble, tuple):
            self.reply(*trouble)
            return
        status, answer = standin.answer(method, parts.path, parse_qs(parts.query), body)
        if trouble == "drop":
            self.close_connection = True
            self.connection.close()
            return
        self.reply(status, answer)

    def reply(self, status: int, answer: Any, **headers: str) -> None:
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "application/problem+json" if status >= 400 else "application/json"
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(raw), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, standin: StandIn, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.standin = standin
        standin.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.open: list[Any] = []
        self.thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.append(request)
        super().process_request(request, client_address)

    def handle_error(self, *_args: object) -> None:
        pass  # clients that hang up are part of the tests

    def stop(self) -> None:
        with self.standin.changed:
            self.standin.changed.notify_all()
        self.shutdown()
        self.server_close()
        self.thread.join()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
