"""`expacti request create|show|wait|cancel`: ask and look, without running."""

from __future__ import annotations

from typing import Any

import click

from expacti_agent.client import Client
from expacti_agent.commands.shared import (
    COMMAND_SETTINGS,
    JSON,
    PROFILE,
    command_options,
    print_command,
    read_spec,
)
from expacti_agent.errors import UnreachableError
from expacti_agent.operations import verdict
from expacti_agent.settings import load_settings

ID = click.argument("command_id", metavar="ID")


@click.group()
def request() -> None:
    """Create, show, wait for and cancel requests; nothing is run here."""


@request.command(context_settings=COMMAND_SETTINGS)
@JSON
@PROFILE
@command_options
def create(*, as_json: bool, profile: str | None, **what: Any) -> None:
    """Submit a request and print its id."""
    spec = read_spec(**what)
    with Client(load_settings(profile)) as client:
        print_command(client.submit(client.prepare(spec)), as_json=as_json)


@request.command()
@JSON
@PROFILE
@ID
def show(*, as_json: bool, profile: str | None, command_id: str) -> None:
    """Print a request."""
    with Client(load_settings(profile)) as client:
        print_command(client.get(command_id), as_json=as_json)


@request.command()
@click.option("--timeout", type=click.FloatRange(1, 86400), default=300.0, show_default=True)
@JSON
@PROFILE
@ID
def wait(*, timeout: float, as_json: bool, profile: str | None, command_id: str) -> None:
    """Wait for the decision: exit 0 approved, 126 denied or cancelled, 124 expired, 125 none."""
    with Client(load_settings(profile)) as client:
        command = client.wait(command_id, timeout)
    print_command(command, as_json=as_json)
    refusal = verdict(command)
    if refusal is not None:
        raise refusal
    if command.state == "pending":
        raise UnreachableError("no decision yet", remedy="Wait again, with a longer --timeout.")


@request.command()
@click.option("--reason", metavar="TEXT", default="")
@JSON
@PROFILE
@ID
def cancel(*, reason: str, as_json: bool, profile: str | None, command_id: str) -> None:
    """Cancel a pending or approved request."""
    with Client(load_settings(profile)) as client:
        print_command(client.cancel(command_id, reason), as_json=as_json)
