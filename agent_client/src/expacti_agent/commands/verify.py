"""`expacti verify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from expacti_agent.commands.shared import JSON, print_json
from expacti_agent.verify import NOT_VERIFIABLE, Anchor, Report, verify_export
from expacti_agent.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

import pathlib


@click.command()
@click.argument("export", type=click.Path(path_type=pathlib.Path, allow_dash=False))
@click.option("--head", metavar="SIZE:HEX", help="A head that you noted earlier.")
@JSON
def verify(*, export: Path, head: str | None, as_json: bool) -> int:
    """Verify an audit export offline: exit 0 verified, 1 tampered, 2 not verifiable."""
    try:
        anchor = Anchor.parse(head) if head is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--head") from None
    try:
        report = _verify(export, anchor)
    except OSError as error:
        report = Report(NOT_VERIFIABLE, f"not verifiable: the file cannot be read: {error}")
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(visible(report.message))
    return report.exit_code


def _verify(export: Path, anchor: Anchor | None) -> Report:
    with export.open("rb") as file:
        if not sys.stderr.isatty():
            return verify_export(file, anchor)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("verifying", total=None)
            return verify_export(
                file, anchor, lambda done, size: bar.update(task, completed=done, total=size)
            )
