"""From a request to a verified grant, as one operation; and what is told on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from expacti_agent.errors import NotGrantedError, UnreachableError
from expacti_agent.operations import explain, release, submit, verdict
from expacti_agent.protocol import Operation, Patience

if TYPE_CHECKING:
    from expacti_agent.command import Command
    from expacti_agent.execute import Result
    from expacti_agent.grants import Grant
    from expacti_agent.request import Request
    from expacti_agent.trust import Trust


class Progress:
    """Told what happens; every method may be overridden and does nothing here.

    Texts come from the server or the network: pass them through `visible` before printing.
    """

    def prepared(self, request: Request) -> None:
        """The request is built and about to be sent."""

    def waiting(self, command: Command) -> None:
        """The server knows the command; it is pending (told again at each long poll)."""

    def trouble(self, request: Request | None, text: str) -> None:
        """The server did not answer; it will be asked again."""

    def answered(self) -> None:
        """The server answered (again)."""

    def granted(self, grant: Grant) -> None:
        """A grant passed every check; the child starts next."""

    def finished(self, request: Request, result: Result) -> None:
        """The child has ended."""

    def unreported(self, text: str) -> None:
        """The result could not be told to the server."""

    def note(self, text: str) -> None:
        """Something that the user should know, such as a pinned key."""


@dataclass
class Submission:
    """Whether the server may know the request, so that giving up cancels it."""

    may_be_known: bool = False
    final: bool = False


def obtain(
    request: Request,
    trust: Trust,
    progress: Progress,
    submission: Submission,
    *,
    submitted: bool = False,
) -> Operation[Grant]:
    """Submit (unless `submitted` already), wait for the decision, take and verify the grant.

    Raises:
        DeniedError, ExpiredError: the decision was no, or none was made.
        UnreachableError: no answer until the request's own expiry.
        GrantRefusedError, ProtocolError: whatever the server says, it is not a valid yes.
        ApiError: the server refused the request.
    """
    patience = Patience(
        deadline=request.deadline,
        on_trouble=lambda text: progress.trouble(request, text),
        on_answer=progress.answered,
    )
    progress.prepared(request)
    submission.may_be_known = True
    try:
        token = None if submitted else (yield from _submit(request, patience, progress))
        if token is None:
            token = yield from release(request, patience, progress.waiting)
    except NotGrantedError as refusal:
        submission.final = True
        raise (yield from explain(request, refusal)) from None
    except UnreachableError:
        submission.final = True  # there is nobody to tell, and it expires now
        raise
    grant = yield from trust.verify(token, request)
    submission.final = True
    progress.granted(grant)
    return grant


def _submit(request: Request, patience: Patience, progress: Progress) -> Operation[str | None]:
    command, token = yield from submit(request, patience)
    refusal = verdict(command)
    if refusal is not None:
        raise refusal
    if command.state == "pending":
        progress.waiting(command)
    return token
