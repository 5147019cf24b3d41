"""What the client asks of the server, one operation for each endpoint, without I/O."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from expacti_agent.command import Command, read_command
from expacti_agent.config import Identity
from expacti_agent.digest import parse_time
from expacti_agent.errors import (
    ApiError,
    DeniedError,
    ExpiredError,
    NotGrantedError,
    ProtocolError,
)
from expacti_agent.keys import PublishedKeys
from expacti_agent.protocol import Operation, Patience, Pause, Send, call, within

if TYPE_CHECKING:
    from expacti_agent.execute import Result
    from expacti_agent.request import Request

API = "/api/v1"
LONG_POLL_S = 25
ANSWER_S = 10.0
ACCEPTED = 202
DENIED_CODES = frozenset({"denied", "cancelled", "queue_frozen", "integrity_violated"})
Observer = Callable[[Command], None]


@dataclass(frozen=True)
class WhoAmI:
    """The answer of `GET agent/`. `server_time` is Unix time; `raw` the whole object."""

    identity: Identity
    server_time: int | None
    raw: dict[str, object]


def whoami(patience: Patience) -> Operation[WhoAmI]:
    """Ask who this token is.

    Raises:
        ApiError, UnreachableError, ProtocolError: see `call`.
    """
    reply = yield from call(Send("GET", f"{API}/agent/"), patience)
    raw = reply.json()
    values = []
    for kind in ("agent", "organization"):
        part = raw.get(kind)
        if not isinstance(part, dict) or not _is_uuid(part.get("id")):
            raise ProtocolError(f"the answer names no {kind}")
        values += [str(part["id"]), str(part.get("name", ""))]
    server_time = raw.get("server_time")
    try:
        moment = parse_time(server_time) if isinstance(server_time, str) else None
    except ValueError:
        moment = None
    return WhoAmI(Identity(*values), moment, raw)


def published_keys(patience: Patience) -> Operation[PublishedKeys]:
    """Fetch the grant keys; the token is not sent."""
    send = Send("GET", "/.well-known/expacti-grant-keys.json", authenticated=False)
    reply = yield from call(send, patience)
    return PublishedKeys.from_json(reply.json())


def submit(
    request: Request, patience: Patience, *, with_release: bool = True
) -> Operation[tuple[Command, str | None]]:
    """Submit; repeated with the same id and body after a lost answer.

    Returns:
        The command, and the grant where a rule approved at once and `with_release` is set.

    Raises:
        DeniedError: the queue is frozen.
        ProtocolError: the server names another command or computes another digest.
        ApiError, UnreachableError: see `call`.
    """
    send = Send("POST", f"{API}/commands/", request.body(with_release=with_release))
    while True:
        try:
            reply = yield from call(send, patience)
            break
        except ApiError as error:
            if error.code != "id_in_flight" or patience.left() <= 0:
                raise _final(error) from None
            yield Pause(0.5)  # our own earlier try is still being worked on
    raw = reply.json()
    command = _expect(read_command(raw, time.time()), request)
    grant = raw.get("grant")
    return command, grant if isinstance(grant, str) else None


def release(request: Request, patience: Patience, observe: Observer) -> Operation[str]:
    """Wait for the decision and take the grant, not yet verified.

    Raises:
        DeniedError: denied, cancelled, or frozen.
        ExpiredError: not decided, or not taken, in time.
        ProtocolError: an answer without a grant that is not a 202.
        ApiError, UnreachableError: see `call`.
    """
    body = {"release_nonce": request.release_nonce, "digest": request.digest}
    path = f"{API}/commands/{request.bound.id}/release/"
    while request.remaining_s() > 0:
        asked = time.monotonic()
        wait = max(0, min(LONG_POLL_S, int(request.remaining_s())))
        send = Send("POST", path, body, {"wait": str(wait)}, wait + ANSWER_S)
        try:
            reply = yield from call(send, patience)
        except ApiError as error:
            raise _final(error) from None
        raw = reply.json()
        if reply.status != ACCEPTED:
            grant = raw.get("grant")
            if not isinstance(grant, str):
                raise ProtocolError("the server says yes without a grant, which is no yes")
            return grant
        observe(_expect(read_command(raw, time.time()), request))
        if time.monotonic() - asked < 1.0:
            yield Pause(1.0)  # a server that does not hold the poll is not hammered
    raise ExpiredError("expired", "no decision in time")


def get(command_id: str, patience: Patience, wait_s: int = 0) -> Operation[Command]:
    """Read a command; with `wait_s` (0 to 30) until it is no longer pending or that ends."""
    send = Send(
        "GET",
        f"{API}/commands/{_quoted(command_id)}/",
        params={"wait": str(wait_s)} if wait_s else {},
        timeout_s=wait_s + ANSWER_S,
    )
    reply = yield from call(send, patience)
    return read_command(reply.json(), time.time())


def wait(command_id: str, patience: Patience, observe: Observer) -> Operation[Command]:
    """Poll until the command is no longer pending or the patience ends; return its last state."""
    while True:
        asked = time.monotonic()
        wait_s = max(0, min(LONG_POLL_S, int(patience.left())))
        command = yield from get(command_id, patience, wait_s)
        observe(command)
        if command.state != "pending" or patience.left() <= 0:
            return command
        if time.monotonic() - asked < 1.0:
            yield Pause(1.0)


def cancel(command_id: str, reason: str, patience: Patience) -> Operation[Command]:
    """Cancel a pending or approved command.

    Raises:
        ApiError: `state_final` and others; see `call`.
    """
    body = {"reason": reason} if reason else {}
    send = Send("POST", f"{API}/commands/{_quoted(command_id)}/cancel/", body, timeout_s=3.0)
    reply = yield from call(send, patience)
    return read_command(reply.json(), time.time())


def report_result(command_id: str, result: Result, patience: Patience) -> Operation[Command]:
    """Tell how the command ended. The same result may be told again."""
    path = f"{API}/commands/{_quoted(command_id)}/result/"
    reply = yield from call(Send("POST", path, result.as_json(), timeout_s=5.0), patience)
    return read_command(reply.json(), time.time())


def explain(request: Request, refusal: NotGrantedError) -> Operation[NotGrantedError]:
    """Return the refusal with the reviewer's reason, if the server still tells it in 3 s."""
    try:
        command = yield from get(request.bound.id, within(3.0, attempts=1))
    except Exception:  # noqa: BLE001 - the refusal stands whatever goes wrong here
        return refusal
    return verdict(command) or refusal


def verdict(command: Command) -> NotGrantedError | None:
    """Return the error for a final state that is not yes, None for the others."""
    if command.state == "denied":
        return DeniedError(command.denial_code or "denied", command.denial_reason)
    if command.state == "cancelled":
        return DeniedError("cancelled", command.denial_reason)
    if command.state == "expired":
        return ExpiredError("expired", "no decision in time")
    return None


def _final(error: ApiError) -> Exception:
    if error.status != 409:  # noqa: PLR2004 - only a conflict is a verdict
        return error
    if error.code == "expired":
        return ExpiredError("expired", error.detail)
    if error.code in DENIED_CODES:
        return DeniedError(error.code, error.detail)
    return error


def _expect(command: Command, request: Request) -> Command:
    if command.id != request.bound.id:
        raise ProtocolError("the server answered about another command")
    if command.digest != request.digest:
        raise ProtocolError("the server computed another digest: what it shows is not this command")
    return command


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _quoted(command_id: str) -> str:
    if not _is_uuid(command_id):
        raise ProtocolError(f"not a command id: {command_id}", remedy="Give the UUID.")
    return command_id
