"""The conversation with the server, without I/O.

An operation is a generator that yields `Send` and `Pause` and is given replies, or
`ConnectionLostError`. The synchronous and the asynchronous client drive the same generators, so
that retries, deadlines and errors are the same in both.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Callable, Optional, TypeVar, Union

from expacti_agent.errors import ApiError, FieldError, ProtocolError, UnreachableError

T = TypeVar("T")
RETRIED = frozenset({429, 502, 503, 504})
FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 10.0
HTTP_OK, HTTP_REDIRECT, HTTP_ERROR = 200, 300, 400


@dataclass(frozen=True)
class Send:
    """One HTTP request. `path` starts with a slash; `timeout_s` is for the whole answer."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 15.0
    authenticated: bool = True


@dataclass(frozen=True)
class Pause:
    """Wait this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """Return the body as an object.

        Raises:
            ProtocolError: it is not a JSON object.
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ProtocolError(
                f"the answer is not JSON (HTTP {self.status})",
                remedy="Check the URL: is it an Expacti server, with no portal in between?",
            )
        return value


class ConnectionLostError(Exception):
    """No answer: refused, reset, timed out, cut off. Worth another try."""


Step = Union[Send, Pause]
Operation = Generator[Step, Optional[Reply], T]


@dataclass
class Patience:
    """How long to go on trying.

    `deadline` is on `clock` (monotonic, seconds). `on_trouble` is told each failure in words,
    `on_answer` that the server answered.
    """

    deadline: float
    clock: Callable[[], float] = time.monotonic
    on_trouble: Callable[[str], None] = lambda _text: None
    on_answer: Callable[[], None] = lambda: None
    attempts: int | None = None

    def left(self) -> float:
        """Return the seconds left."""
        return self.deadline - self.clock()


def within(seconds: float, attempts: int | None = None) -> Patience:
    """Return a patience of so many seconds from now, and at most so many attempts."""
    return Patience(deadline=time.monotonic() + seconds, attempts=attempts)


def call(send: Send, patience: Patience) -> Operation[Reply]:
    """Send until there is an answer that counts, or the patience ends.

    Raises:
        UnreachableError: no usable answer until then.
        ApiError: the server refused.
        ProtocolError: a redirect (never followed, the token stays here) or an unreadable answer.
    """
    attempt = 0
    while True:
        attempt += 1
        limit = max(1.0, min(send.timeout_s, patience.left() + 1.0))
        reply, trouble = yield from _attempt(send, limit)
        if reply is not None and reply.status not in RETRIED:
            patience.on_answer()
            return _checked(reply)
        if reply is not None:
            trouble = f"HTTP {reply.status}"
        patience.on_trouble(trouble)
        left = patience.left()
        if left <= 0 or attempt == patience.attempts:
            if reply is not None and reply.headers.get("content-type", "").startswith("app"):
                raise problem(reply)
            raise UnreachableError(f"server unreachable ({trouble})")
        yield Pause(min(left, _delay(attempt, reply)))


def _attempt(send: Send, limit: float) -> Generator[Step, Reply | None, _Outcome]:
    timed = Send(
        send.method, send.path, send.body, send.params, limit, authenticated=send.authenticated
    )
    try:
        return (yield timed), "no answer"
    except ConnectionLostError as lost:
        return None, str(lost)


_Outcome = tuple[Optional[Reply], str]


def _delay(attempt: int, reply: Reply | None) -> float:
    """Return seconds: exponential with full jitter, never less than Retry-After asks for."""
    ceiling = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt, 16))
    jittered = ceiling * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, hides nothing
    asked = retry_after(reply.headers.get("retry-after", "")) if reply else 0.0
    return max(jittered, asked)


def retry_after(header: str) -> float:
    """Return the seconds that a Retry-After header asks for, 0 when there is none."""
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        moment = parsedate_to_datetime(header)
        return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError, IndexError):
        return 0.0


def _checked(reply: Reply) -> Reply:
    if HTTP_OK <= reply.status < HTTP_REDIRECT:
        return reply
    if reply.status < HTTP_ERROR:
        raise ProtocolError(
            f"the server answered with a redirect (HTTP {reply.status}), which is not followed",
            remedy="Log in with the server's final URL.",
        )
    raise problem(reply)


def problem(reply: Reply) -> ApiError:
    """Return the error that an `application/problem+json` answer describes."""
    try:
        body = reply.json()
    except ProtocolError:
        body = {}
    code = body.get("code")
    raw = body.get("errors")
    errors = tuple(
        FieldError(*(str(one.get(name, ""))[:500] for name in ("pointer", "code", "detail")))
        for one in (raw if isinstance(raw, list) else [])[:20]
        if isinstance(one, dict)
    )
    request_id = body.get("request_id")
    stable = code if isinstance(code, str) else "unknown"
    return ApiError(
        reply.status,
        stable,
        str(body.get("detail") or body.get("title") or ""),
        request_id=request_id if isinstance(request_id, str) else None,
        errors=errors,
        remedy=REMEDIES.get(stable, ""),
    )


REMEDIES = {
    "not_authenticated": "Log in: `expacti login --url …`.",
    "key_invalid": "The API key is unknown to the server; ask an admin for one and log in again.",
    "key_expired": "Ask an admin for a new API key, then log in again.",
    "key_revoked": "Ask an admin for a new API key, then log in again.",
    "digest_mismatch": "Log in again, so that the agent's and organization's ids are current.",
    "ttl_too_long": "Use a shorter --ttl.",
    "ttl_too_short": "Use a longer --ttl, and check this machine's clock.",
    "body_too_large": "Shorten the command.",
    "throttled": "Wait, then try again.",
}
