"""`expacti login` and `expacti whoami`."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from expacti_agent.client import Client
from expacti_agent.commands.shared import JSON, PROFILE, print_json
from expacti_agent.config import DEFAULT_PROFILE, ProfileStore, config_folder
from expacti_agent.settings import (
    Settings,
    check_token,
    check_url,
    load_settings,
    read_token_file,
)
from expacti_agent.visible import visible


@click.command()
@click.option("--url", required=True, metavar="URL", help="https://… of the server.")
@click.option("--token-file", metavar="FILE", help="Read the key from FILE, now and later.")
@click.option("--token-stdin", is_flag=True, help="Read the key from standard input.")
@click.option("--issuer", metavar="URL", help="What the server calls itself, if not URL.")
@click.option("--replace-key", is_flag=True, help="Trust the server's key whatever it was.")
@PROFILE
def login(
    *,
    url: str,
    token_file: str | None,
    token_stdin: bool,
    issuer: str | None,
    replace_key: bool,
    profile: str | None,
) -> None:
    """Store an API key and pin the server's grant key.

    The key is asked for; it is never an argument, where other users of this machine could see it.
    """
    if token_file and token_stdin:
        raise click.UsageError("--token-file and --token-stdin exclude each other")
    origin = check_url(url)
    name = profile or os.environ.get("EXPACTI_PROFILE") or DEFAULT_PROFILE
    store = ProfileStore(config_folder())
    old = store.load(name)
    file = str(Path(token_file).absolute()) if token_file else None
    token = read_token_file(file) if file else _ask(token_stdin=token_stdin)
    own_name = check_url(issuer) if issuer else None
    settings = Settings(
        url=origin,
        token=token,
        profile=name,
        store=store,
        issuer=own_name or origin,
        grant_key=os.environ.get("EXPACTI_GRANT_KEY") or None,
    )
    with Client(settings) as client:
        who = client.login(replace=replace_key).identity
        key = client.trust.pin.key.kid if client.trust.pin else ""
    kept = replace(store.load(name), url=origin, token=None if file else token)
    store.save(name, replace(kept, token_file=file, issuer=own_name, pass_env=old.pass_env))
    click.echo(f"agent         {visible(who.agent_name)} ({who.agent})")
    click.echo(f"organization  {visible(who.organization_name)} ({who.organization})")
    click.echo(f"grant key     {key}")
    click.echo("Compare the grant key with the one that your admin sees.")


@click.command()
@JSON
@PROFILE
def whoami(*, as_json: bool, profile: str | None) -> None:
    """Print which agent of which organization this key is."""
    with Client(load_settings(profile)) as client:
        answer = client.whoami()
        pin = client.trust.pin
    if as_json:
        print_json({**answer.raw, "grant_key": pin.key.kid if pin else None})
        return
    who = answer.identity
    click.echo(f"agent         {visible(who.agent_name)} ({who.agent})")
    click.echo(f"organization  {visible(who.organization_name)} ({who.organization})")
    click.echo(f"grant key     {pin.key.kid if pin else 'none pinned yet'}")


def _ask(*, token_stdin: bool) -> str:
    if token_stdin:
        return check_token(sys.stdin.readline(8192))
    if not sys.stdin.isatty():
        raise click.UsageError("without a terminal, give --token-stdin or --token-file")
    return check_token(getpass.getpass("API key: "))
