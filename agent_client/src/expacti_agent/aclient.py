"""The asyncio client: the same operations as `Client`, awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typing_extensions import Self

from expacti_agent import operations
from expacti_agent.client import ASK_S, CANCEL_S, REPORT_ATTEMPTS, REPORT_S
from expacti_agent.errors import ExpactiError
from expacti_agent.execute import Result, execute
from expacti_agent.flow import Progress, Submission, obtain
from expacti_agent.protocol import within
from expacti_agent.request import CommandSpec, Request, build_request
from expacti_agent.settings import Settings, load_settings
from expacti_agent.transport import AsyncTransport
from expacti_agent.trust import Trust

if TYPE_CHECKING:
    from types import TracebackType

    from expacti_agent.command import Command
    from expacti_agent.grants import Grant


class AsyncClient:
    """As `Client`, for asyncio. Children run in a worker thread; signals are not passed on."""

    def __init__(
        self, settings: Settings | None = None, *, progress: Progress | None = None
    ) -> None:
        self.settings = load_settings() if settings is None else settings
        self.progress = progress or Progress()
        self.trust = Trust(self.settings, self.progress.note)
        self._transport = AsyncTransport(self.settings.url, self.settings.token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def whoami(self) -> operations.WhoAmI:
        """Ask the server who this token is."""
        return await self._transport.drive(operations.whoami(within(ASK_S)))

    async def prepare(self, spec: CommandSpec) -> Request:
        """Resolve and bind a command; see `Client.prepare`."""
        passed = self.settings.pass_env
        build_request(spec, organization="", agent="", passed=passed)
        who = await self._transport.drive(self.trust.identity(within(ASK_S)))
        return build_request(spec, organization=who.organization, agent=who.agent, passed=passed)

    async def submit(self, request: Request) -> Command:
        """Submit without taking a grant; see `Client.submit`."""
        patience = within(min(ASK_S, max(1.0, request.remaining_s())))
        operation = operations.submit(request, patience, with_release=False)
        return (await self._transport.drive(operation))[0]

    async def get(self, command_id: str) -> Command:
        """Read a command."""
        return await self._transport.drive(operations.get(command_id, within(ASK_S)))

    async def wait(self, command_id: str, timeout_s: float) -> Command:
        """Return the command when it is no longer pending, or after `timeout_s` seconds."""
        operation = operations.wait(command_id, within(timeout_s), self.progress.waiting)
        return await self._transport.drive(operation)

    async def cancel(self, command_id: str, reason: str = "") -> Command:
        """Cancel a pending or approved command."""
        return await self._transport.drive(operations.cancel(command_id, reason, within(ASK_S)))

    async def obtain(self, request: Request) -> Grant:
        """Submit, wait, take the grant and verify it; see `Client.obtain`.

        When the task is cancelled, the request is cancelled on the server too.
        """
        return await self._obtain(request, submitted=False)

    async def release(self, request: Request) -> Grant:
        """Wait for the decision on a request submitted before; see `obtain`."""
        return await self._obtain(request, submitted=True)

    async def execute(self, request: Request, grant: Grant, *, capture: bool = False) -> Result:
        """Run the child once, in a worker thread; see `expacti_agent.execute.execute`."""
        ledger = self.settings.ledger
        result = await asyncio.to_thread(execute, request, grant, ledger, capture=capture)
        self.progress.finished(request, result)
        return result

    async def report_result(self, command_id: str, result: Result) -> Command:
        """Tell the server how the command ended."""
        patience = within(REPORT_S, REPORT_ATTEMPTS)
        return await self._transport.drive(operations.report_result(command_id, result, patience))

    async def run(self, spec: CommandSpec, *, capture: bool = False) -> Result:
        """Do it all: prepare, obtain, execute, report (best effort); see `Client.run`."""
        request = await self.prepare(spec)
        grant = await self.obtain(request)
        result = await self.execute(request, grant, capture=capture)
        try:
            await self.report_result(request.bound.id, result)
        except ExpactiError as error:
            self.progress.unreported(str(error))
        return result

    async def _obtain(self, request: Request, *, submitted: bool) -> Grant:
        submission = Submission()
        operation = obtain(request, self.trust, self.progress, submission, submitted=submitted)
        try:
            return await self._transport.drive(operation)
        except BaseException:
            if submission.may_be_known and not submission.final:
                await asyncio.shield(self._cancel_quietly(request))
            raise

    async def _cancel_quietly(self, request: Request) -> None:
        patience = within(CANCEL_S, attempts=1)
        operation = operations.cancel(request.bound.id, "the client stopped waiting", patience)
        try:
            await self._transport.drive(operation)
        except ExpactiError:
            return  # it expires by itself
