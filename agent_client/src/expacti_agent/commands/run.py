"""`expacti run`."""

from __future__ import annotations

from typing import Any

import click

from expacti_agent.client import Client
from expacti_agent.commands.shared import (
    COMMAND_SETTINGS,
    PROFILE,
    command_options,
    read_spec,
)
from expacti_agent.display import JsonLines, Quiet, choose
from expacti_agent.errors import (
    ApiError,
    DeniedError,
    ExpactiError,
    ExpiredError,
    InterruptedRunError,
    NotGrantedError,
)
from expacti_agent.settings import load_settings


@click.command(context_settings=COMMAND_SETTINGS)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing while waiting.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines on standard error.")
@click.option("--capture-digest", is_flag=True, help="Report the SHA-256 of the output.")
@PROFILE
@command_options
def run(
    *, quiet: bool, as_json: bool, capture_digest: bool, profile: str | None, **what: Any
) -> int:
    """Ask for approval, wait for it, then run CMD with its arguments, or a shell line.

    Standard output and standard error are the command's own, and so is the exit code, except 124
    (expired), 125 (Expacti failed), 126 (denied) and 127 (not found): then it did not run.
    """
    display = choose(quiet=quiet, as_json=as_json)
    try:
        spec = read_spec(**what)
        with Client(load_settings(profile), progress=display) as client:
            return client.run(spec, tee=capture_digest).status
    except ExpactiError as error:
        _tell(display, error)
        raise
    except BaseException as error:
        if display.result is not None:
            return display.result.status  # it ran: only the report was interrupted
        if not display.started:
            raise
        if isinstance(display, JsonLines):
            display.emit("interrupted", ran=None)
        raise InterruptedRunError(
            f"interrupted ({type(error).__name__}) after the grant was taken"
        ) from error
    finally:
        display.close()


def _tell(display: Quiet, error: ExpactiError) -> None:
    if not isinstance(display, JsonLines):
        return
    event = "error"
    if isinstance(error, NotGrantedError):
        event = "expired" if isinstance(error, ExpiredError) else "denied"
    code = error.code if isinstance(error, (ApiError, DeniedError, ExpiredError)) else None
    display.emit(event, code=code, detail=str(error), remedy=error.remedy, ran=False)
