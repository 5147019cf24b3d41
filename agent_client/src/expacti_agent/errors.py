"""Everything that this package raises on purpose: one tree, each with a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class ExpactiError(Exception):
    """Base of all errors here. When one leaves `run`, the command did not run.

    Except `InterruptedRunError`, which the command line alone raises.

    Attributes:
        remedy: what the user can do about it, one sentence, or an empty string.
    """

    default_remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy or self.default_remedy


class ConfigError(ExpactiError):
    """The configuration is missing, unreadable, or not safe to use."""

    default_remedy = "Run `expacti doctor`."


class InvalidRequestError(ExpactiError):
    """The command cannot be put into a request (not UTF-8, NUL, too large, no such folder)."""


class CommandNotFoundError(ExpactiError):
    """No such program on the PATH that the child would have."""

    default_remedy = "Name it by its absolute path, or add `--env PATH=…`."


class UnreachableError(ExpactiError):
    """The server gave no usable answer until the deadline."""

    default_remedy = "Check the network and the server, then run the command again."


class InsecureServerError(ExpactiError):
    """The connection would not be, or is not, protected by TLS."""


class ProtocolError(ExpactiError):
    """The server answered something that the contract does not allow."""

    default_remedy = "Tell the operator of the server; nothing was run."


class GrantRefusedError(ProtocolError):
    """A grant did not pass verification. `check` names the check that failed."""

    def __init__(self, check: str, message: str, *, remedy: str = "") -> None:
        super().__init__(f"the grant was refused: {message}", remedy=remedy)
        self.check = check


class KeyNotTrustedError(GrantRefusedError):
    """The grant key is neither the pinned one nor reached from it by signed rotations."""

    default_remedy = (
        "If the operator confirms the new key's fingerprint, log in again: `expacti login`."
    )


class AlreadyConsumedError(ExpactiError):
    """This grant, or this command, was taken from the ledger before: there is no second run."""

    default_remedy = "Submit the command again; it will be a new request."


class LedgerError(ExpactiError):
    """The ledger of consumed grants cannot be written, so nothing may run."""

    default_remedy = "Free disk space or fix the folder's permissions (`expacti doctor`)."


class ExecutionError(ExpactiError):
    """The program could not be started although it was approved."""


class InterruptedRunError(ExpactiError):
    """Interrupted between grant and result: the one error that leaves open whether it ran."""

    default_remedy = "The command may have run, and is not run again; look at what it does."


@dataclass(frozen=True)
class FieldError:
    """One entry of a problem's `errors`: `pointer` is a JSON pointer into the body."""

    pointer: str
    code: str
    detail: str


class ApiError(ExpactiError):
    """The server refused with `application/problem+json`.

    Attributes:
        status: HTTP status.
        code: the stable code, `unknown` where the body had none.
        detail: the server's text, not escaped for a terminal.
        request_id: for the operator's logs, or None.
        errors: one `FieldError` for each field at fault.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
        remedy: str = "",
    ) -> None:
        fields = "".join(f"; {error.pointer}: {error.detail}" for error in errors)
        trace = f" [request {request_id}]" if request_id else ""
        super().__init__(f"{detail or code} ({code}, HTTP {status}){fields}{trace}", remedy=remedy)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.errors = errors


class NotGrantedError(ExpactiError):
    """A final answer that is not yes. `code` is the stable code, `reason` a person's words."""

    def __init__(self, code: str, reason: str = "", *, remedy: str = "") -> None:
        super().__init__(f"{code}: {reason}" if reason else code, remedy=remedy)
        self.code = code
        self.reason = reason


class DeniedError(NotGrantedError):
    """Denied by a reviewer or a rule, cancelled by someone, or the queue is frozen."""


class ExpiredError(NotGrantedError):
    """Nobody decided in time, or the approval was not taken in time."""

    default_remedy = "Ask a reviewer, then run the command again, perhaps with a longer --ttl."
