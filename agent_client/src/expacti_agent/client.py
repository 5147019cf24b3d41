"""The blocking client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import Self

from expacti_agent import operations
from expacti_agent.errors import ExpactiError
from expacti_agent.execute import Result, execute
from expacti_agent.flow import Progress, Submission, obtain
from expacti_agent.protocol import within
from expacti_agent.request import CommandSpec, Request, build_request
from expacti_agent.settings import Settings, load_settings
from expacti_agent.transport import Transport
from expacti_agent.trust import Trust

if TYPE_CHECKING:
    from types import TracebackType

    from expacti_agent.command import Command
    from expacti_agent.grants import Grant

ASK_S = 30.0
CANCEL_S = 3.0
REPORT_S = 10.0
REPORT_ATTEMPTS = 4


class Client:
    """Submits commands, waits for the decision, and runs what was approved.

    A context manager; `close` it otherwise. Not to be shared between threads. All methods raise
    `ExpactiError`s: `UnreachableError`, `ApiError` (with its stable `code`), `ProtocolError`,
    `ConfigError`, and those named with each.
    """

    def __init__(
        self, settings: Settings | None = None, *, progress: Progress | None = None
    ) -> None:
        self.settings = load_settings() if settings is None else settings
        self.progress = progress or Progress()
        self.trust = Trust(self.settings, self.progress.note)
        self._transport = Transport(self.settings.url, self.settings.token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def whoami(self) -> operations.WhoAmI:
        """Ask the server who this token is."""
        return self._transport.drive(operations.whoami(within(ASK_S)))

    def login(self, *, replace: bool = False) -> operations.WhoAmI:
        """Pin the server's grant key and this token's identity; see `Trust.login`."""
        return self._transport.drive(self.trust.login(within(ASK_S, 4), replace=replace))

    def prepare(self, spec: CommandSpec) -> Request:
        """Resolve and bind a command on this machine; nothing is submitted yet.

        Raises:
            CommandNotFoundError: no such program.
            InvalidRequestError: it cannot be put into a request.
        """
        # Once without ids, so that a mistake costs no round trip.
        passed = self.settings.pass_env
        build_request(spec, organization="", agent="", passed=passed)
        who = self._transport.drive(self.trust.identity(within(ASK_S)))
        return build_request(spec, organization=who.organization, agent=who.agent, passed=passed)

    def submit(self, request: Request) -> Command:
        """Submit without taking a grant; the same request may be submitted again.

        Raises:
            DeniedError: the queue is frozen.
        """
        patience = within(min(ASK_S, max(1.0, request.remaining_s())))
        operation = operations.submit(request, patience, with_release=False)
        return self._transport.drive(operation)[0]

    def get(self, command_id: str) -> Command:
        """Read a command."""
        return self._transport.drive(operations.get(command_id, within(ASK_S)))

    def wait(self, command_id: str, timeout_s: float) -> Command:
        """Return the command when it is no longer pending, or after `timeout_s` seconds."""
        patience = within(timeout_s)
        return self._transport.drive(operations.wait(command_id, patience, self.progress.waiting))

    def cancel(self, command_id: str, reason: str = "") -> Command:
        """Cancel a pending or approved command."""
        return self._transport.drive(operations.cancel(command_id, reason, within(ASK_S)))

    def obtain(self, request: Request) -> Grant:
        """Submit, wait, take the grant and verify it. When interrupted, cancel the request.

        Raises:
            DeniedError, ExpiredError: the decision was no, or none was made.
            GrantRefusedError: the server's grant did not pass verification.
        """
        return self._obtain(request, submitted=False)

    def release(self, request: Request) -> Grant:
        """Wait for the decision on a request submitted before; see `obtain`."""
        return self._obtain(request, submitted=True)

    def execute(
        self, request: Request, grant: Grant, *, capture: bool = False, tee: bool = False
    ) -> Result:
        """Run the child once; see `expacti_agent.execute.execute`."""
        result = execute(request, grant, self.settings.ledger, capture=capture, tee=tee)
        self.progress.finished(request, result)
        return result

    def report_result(self, command_id: str, result: Result) -> Command:
        """Tell the server how the command ended."""
        patience = within(REPORT_S, REPORT_ATTEMPTS)
        return self._transport.drive(operations.report_result(command_id, result, patience))

    def run(self, spec: CommandSpec, *, capture: bool = False, tee: bool = False) -> Result:
        """Do it all: prepare, obtain, execute, report (best effort).

        Returns:
            How the child ended. Every exception means that it did not run to its end under this
            call; all but an interruption of the child itself mean that it did not run at all.
        """
        request = self.prepare(spec)
        grant = self.obtain(request)
        result = self.execute(request, grant, capture=capture, tee=tee)
        try:
            self.report_result(request.bound.id, result)
        except ExpactiError as error:
            self.progress.unreported(str(error))
        return result

    def _obtain(self, request: Request, *, submitted: bool) -> Grant:
        submission = Submission()
        operation = obtain(request, self.trust, self.progress, submission, submitted=submitted)
        try:
            return self._transport.drive(operation)
        except BaseException:
            if submission.may_be_known and not submission.final:
                self._cancel_quietly(request)
            raise

    def _cancel_quietly(self, request: Request) -> None:
        patience = within(CANCEL_S, attempts=1)
        operation = operations.cancel(request.bound.id, "the client stopped waiting", patience)
        try:
            self._transport.drive(operation)
        except ExpactiError:
            return  # it expires by itself
