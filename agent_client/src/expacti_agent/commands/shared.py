"""Options and output that several subcommands share."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import click

from expacti_agent.errors import InvalidRequestError
from expacti_agent.request import DEFAULT_SHELL, MAX_STDIN, CommandSpec
from expacti_agent.visible import visible, visible_argv

if TYPE_CHECKING:
    from expacti_agent.command import Command

F = TypeVar("F", bound=Callable[..., Any])
PROFILE = click.option("--profile", metavar="NAME", help="Which profile; else EXPACTI_PROFILE.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_WHAT = (
    click.option("-c", "line", metavar="LINE", help="A shell line instead of CMD ARG…"),
    click.option("--shell", metavar="PATH", default=DEFAULT_SHELL, show_default=True),
    click.option("--reason", metavar="TEXT", default="", help="Why; reviewers read it."),
    click.option("--ttl", metavar="SECONDS", type=int, help="10 to 86400; default 300."),
    click.option(
        "--stdin", type=click.Choice(["none", "file", "open"]), default="none", show_default=True
    ),
    click.option("--env", "env", metavar="NAME[=VALUE]", multiple=True),
    click.option("--cwd", metavar="DIR", help="Where to run; default here."),
    click.argument("argv", nargs=-1, type=click.UNPROCESSED),
)
# Options end where the command begins.
COMMAND_SETTINGS = {"allow_interspersed_args": False}


def command_options(function: F) -> F:
    """Add the options that say what to run."""
    for option in reversed(_WHAT):
        function = option(function)
    return function


def read_spec(
    *,
    argv: tuple[str, ...],
    line: str | None,
    shell: str,
    reason: str,
    ttl: int | None,
    stdin: str,
    env: tuple[str, ...],
    cwd: str | None,
) -> CommandSpec:
    """Turn the options into a specification.

    Raises:
        click.UsageError: neither or both of a command and a shell line.
        InvalidRequestError: standard input is too large.
    """
    if (line is None) == (not argv):
        raise click.UsageError("give either -- CMD ARG… or -c LINE")
    return CommandSpec(
        argv=argv if line is None else None,
        command=line,
        shell=shell,
        reason=reason,
        ttl_s=ttl,
        stdin=_read_stdin() if stdin == "file" else "open" if stdin == "open" else "none",
        env=dict(map(_variable, env)),
        cwd=cwd,
    )


def print_command(command: Command, *, as_json: bool) -> None:
    """Print a command for people (escaped) or machines (ASCII JSON)."""
    if as_json:
        print_json(command.raw)
        return
    click.echo(f"{command.id}  {command.state}")
    raw_argv = command.raw.get("argv")
    if isinstance(raw_argv, list):
        click.echo(f"  {visible_argv([str(word) for word in raw_argv])}")
    elif command.raw.get("command"):
        click.echo(f"  {visible(command.raw['command'])}")
    if command.denial_code:
        click.echo(f"  {visible(command.denial_code)}: {visible(command.denial_reason)}")
    if command.review_url:
        click.echo(f"  {visible(command.review_url, limit=500)}")


def print_json(value: object) -> None:
    """Print one JSON object on one line, in ASCII."""
    click.echo(json.dumps(value, sort_keys=True))


def _variable(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else os.environ.get(name)


def _read_stdin() -> bytes:
    data = sys.stdin.buffer.read(MAX_STDIN + 1)
    if len(data) > MAX_STDIN:
        raise InvalidRequestError(
            "standard input is larger than 10 MiB",
            remedy="Put it into a file and name the file in the command.",
        )
    return data
