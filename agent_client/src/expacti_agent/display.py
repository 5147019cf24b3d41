"""What `run` says on standard error while it waits. Standard output is the child's."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from expacti_agent.flow import Progress
from expacti_agent.visible import visible, visible_argv

if TYPE_CHECKING:
    from expacti_agent.command import Command
    from expacti_agent.execute import Result
    from expacti_agent.grants import Grant
    from expacti_agent.request import Request

STEPS_PER_S = 4


def say(text: str) -> None:
    """Write one line to standard error; `text` is already safe for a terminal."""
    try:
        sys.stderr.write(f"expacti: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # nobody reads it; what runs or does not run stays the same


class Quiet(Progress):
    """Says only what cannot be left out.

    `started` is set when the child is about to start, `result` when it has ended.
    """

    started = False
    result: Result | None = None

    def granted(self, grant: Grant) -> None:
        """See `Progress`."""
        del grant
        self.started = True

    def finished(self, request: Request, result: Result) -> None:
        """See `Progress`."""
        del request
        self.result = result

    def unreported(self, text: str) -> None:
        """See `Progress`."""
        say(f"the command ran, but its result could not be reported: {visible(text)}")

    def note(self, text: str) -> None:
        """See `Progress`."""
        say(visible(text))

    def close(self) -> None:
        """Take away what is on the screen only while waiting."""


class Plain(Quiet):
    """One line when the waiting begins, and one for each change of the connection."""

    def __init__(self) -> None:
        self._request: Request | None = None
        self._url = ""
        self._trouble = ""
        self._announced = False
        self._ends = 0.0

    def prepared(self, request: Request) -> None:
        """See `Progress`."""
        self._request = request
        self._ends = request.deadline

    def waiting(self, command: Command) -> None:
        """See `Progress`."""
        if command.decide_by is not None and self._request is not None:
            left = command.decide_by - command.clock_offset_s - time.time()
            self._ends = min(self._request.deadline, time.monotonic() + left)
        self._url = visible(command.review_url or command.id, limit=500)
        self._show()

    def trouble(self, request: Request | None, text: str) -> None:
        """See `Progress`."""
        del request
        if not self._trouble:
            self._trouble = visible(text, limit=200)
            self._trouble_changed()

    def answered(self) -> None:
        """See `Progress`."""
        if self._trouble:
            self._trouble = ""
            self._trouble_changed()

    def granted(self, grant: Grant) -> None:
        """See `Progress`."""
        super().granted(grant)
        self.close()

    def time_left(self) -> str:
        """Return minutes and seconds until the decision comes too late."""
        seconds = max(0, round(self._ends - time.monotonic()))
        return f"{seconds // 60}:{seconds % 60:02d}"

    def _show(self) -> None:
        if not self._announced:
            self._announced = True
            say(f"waiting for approval ({self.time_left()} left): {self._url}")

    def _trouble_changed(self) -> None:
        if self._trouble:
            say(f"server unreachable ({self._trouble}), trying again for {self.time_left()}")
        else:
            say("the server answers again")


class Lively(Plain):
    """A line that counts down, for terminals."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None

    def close(self) -> None:
        """See `Quiet`."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def note(self, text: str) -> None:
        """See `Progress`."""
        self.close()
        super().note(text)

    def _show(self) -> None:
        if self._live is None:
            self._live = Live(
                console=Console(stderr=True),
                get_renderable=self._render,
                refresh_per_second=STEPS_PER_S,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _trouble_changed(self) -> None:
        if self._live is None:
            super()._trouble_changed()

    def _render(self) -> Text:
        text = Text("expacti: waiting for approval, ")
        text.append(f"{self.time_left()} left", style="bold")
        request = self._request
        if request is not None:
            bound = request.bound
            shown = visible(bound.command) if bound.argv is None else visible_argv(bound.argv)
            text.append(f"\n  {shown[:300]}", style="cyan")
        text.append(f"\n  {self._url}")
        if self._trouble:
            text.append(f"\n  server unreachable ({self._trouble}), trying again", style="yellow")
        return text


class JsonLines(Quiet):
    """One JSON object on a line of standard error for each change."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._last: tuple[str, object] = ("", None)

    def emit(self, event: str, **members: object) -> None:
        """Write `{"event":…,"id":…,…}`; non-ASCII is escaped, so that no terminal obeys it."""
        line = json.dumps({"event": event, "id": self._id, **members})
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return

    def prepared(self, request: Request) -> None:
        """See `Progress`."""
        self._id = request.bound.id
        expires_at = request.bound.as_json()["expires_at"]
        self.emit("submitting", digest=request.digest, expires_at=expires_at)

    def waiting(self, command: Command) -> None:
        """See `Progress`."""
        approvals = command.raw.get("approvals")
        if self._last != (command.state, approvals):
            self._last = (command.state, approvals)
            url = command.review_url
            self.emit("waiting", state=command.state, review_url=url, approvals=approvals)

    def trouble(self, request: Request | None, text: str) -> None:
        """See `Progress`."""
        del request
        if self._last[0] != "unreachable":
            self._last = ("unreachable", None)
            self.emit("unreachable", detail=text)

    def granted(self, grant: Grant) -> None:
        """See `Progress`."""
        super().granted(grant)
        self.emit("granted", by=grant.by, jti=grant.jti)

    def finished(self, request: Request, result: Result) -> None:
        """See `Progress`."""
        super().finished(request, result)
        self.emit("finished", **result.as_json())

    def unreported(self, text: str) -> None:
        """See `Progress`."""
        self.emit("unreported", detail=text)

    def note(self, text: str) -> None:
        """See `Progress`."""
        self.emit("note", detail=text)


def choose(*, quiet: bool, as_json: bool) -> Quiet:
    """Return the display for these options and this standard error."""
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    return Lively() if sys.stderr.isatty() else Plain()
