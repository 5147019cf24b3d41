"""The command `expacti`: the group, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from expacti_agent import __version__
from expacti_agent.commands.doctor import doctor
from expacti_agent.commands.login import login, whoami
from expacti_agent.commands.request import request
from expacti_agent.commands.run import run
from expacti_agent.commands.verify import verify
from expacti_agent.display import say
from expacti_agent.errors import (
    CommandNotFoundError,
    DeniedError,
    ExpactiError,
    ExpiredError,
    InterruptedRunError,
    NotGrantedError,
)
from expacti_agent.verify import NOT_VERIFIABLE
from expacti_agent.visible import visible

if TYPE_CHECKING:
    from types import FrameType

EXPIRED, FAILED, DENIED, NOT_FOUND = 124, 125, 126, 127
INTERRUPTED = 130
NOT_RUN = "the command did not run"
DENIALS = {
    "denied": "denied",
    "reviewer": "denied by a reviewer",
    "rule": "denied by a rule",
    "cancelled": "cancelled",
    "frozen": "denied: the queue is frozen",
    "queue_frozen": "denied: the queue is frozen",
    "integrity": "denied: the server found its records altered",
    "integrity_violated": "denied: the server found its records altered",
}


class EndedBySignal(BaseException):
    """SIGTERM or SIGHUP: unwind as Ctrl-C does, so that a waiting request is cancelled."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="expacti")
def cli() -> None:
    """Run commands only after Expacti's reviewers, or a rule of theirs, said yes."""


for _command in (login, whoami, run, request, verify, doctor):
    cli.add_command(_command)


def main() -> NoReturn:
    """Entry point: run a subcommand and exit with its code."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _on_signal)
    sys.exit(_main(sys.argv[1:]))


def _on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    raise EndedBySignal(number)


def _main(arguments: list[str]) -> int:  # noqa: PLR0911 - one return for each kind of end
    runs = arguments[:1] == ["run"]
    try:
        code = cli.main(args=arguments, prog_name="expacti", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        if runs:
            say(NOT_RUN)
        return NOT_VERIFIABLE if arguments[:1] == ["verify"] else FAILED
    except (KeyboardInterrupt, click.Abort):
        say(f"interrupted; {NOT_RUN}" if runs else "interrupted")
        return INTERRUPTED
    except EndedBySignal as end:
        say(f"{signal.Signals(end.number).name}; {NOT_RUN}" if runs else "ended")
        return 128 + end.number
    except ExpactiError as error:
        return _failed(error, runs=runs)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the flush at exit is silent
        return FAILED
    except Exception as error:  # noqa: BLE001 - fail closed, in words, never with a traceback
        say(f"unexpected {type(error).__name__}: {visible(error)}")
        if runs:
            say("whether the command ran is on the command's page; it is not run again")
        return FAILED
    return code if isinstance(code, int) else 0


def _failed(error: ExpactiError, *, runs: bool) -> int:
    end = f"; {NOT_RUN}" if runs and not isinstance(error, InterruptedRunError) else ""
    if isinstance(error, DeniedError):
        code, words = DENIED, DENIALS.get(error.code, f"denied ({visible(error.code)})")
    elif isinstance(error, ExpiredError):
        code, words = EXPIRED, "expired"
    else:
        code = NOT_FOUND if isinstance(error, CommandNotFoundError) else FAILED
        words = ""
    if isinstance(error, NotGrantedError):
        say(f"{words}{': ' if error.reason else ''}{visible(error.reason)}{end}")
    else:
        say(f"{visible(error)}{end}")
    if error.remedy:
        say(visible(error.remedy))
    return code
