"""`expacti doctor`: what is wrong, and what to do."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Callable, Literal

import click

from expacti_agent.commands.shared import JSON, PROFILE, print_json
from expacti_agent.config import config_folder, unsafe
from expacti_agent.errors import ExpactiError
from expacti_agent.operations import published_keys, whoami
from expacti_agent.protocol import within
from expacti_agent.settings import Settings, load_settings
from expacti_agent.transport import Transport
from expacti_agent.trust import Trust
from expacti_agent.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

SKEW_S = 5
TRY_S = 10.0
FAILED = 125


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do if it is not ok."""

    check: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


@click.command()
@JSON
@PROFILE
def doctor(*, as_json: bool, profile: str | None) -> int:
    """Check this set-up: exit 0 when commands can be run, 125 otherwise."""
    findings = []
    for finding in _examine(profile):
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.status:<5} {finding.check}: {visible(finding.detail)}")
            if finding.remedy:
                click.echo(f"      {visible(finding.remedy)}")
    good = all(finding.status != "fail" for finding in findings)
    if as_json:
        print_json({"ok": good, "findings": [asdict(finding) for finding in findings]})
    return 0 if good else FAILED


def _examine(profile: str | None) -> Iterator[Finding]:
    yield _on_path()
    yield _attempt("permissions", _permissions)
    settings: list[Settings] = []
    yield _attempt("configuration", lambda: _configuration(profile, settings))
    if not settings:
        return
    yield _attempt("ledger", lambda: _ledger(settings[0]))
    transport = Transport(settings[0].url, settings[0].token)
    try:
        yield _transport_security(settings[0])
        yield from _server(transport)
        yield _attempt("grant key", lambda: _grant_key(settings[0], transport))
    finally:
        transport.close()


def _attempt(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except ExpactiError as error:
        return Finding(check, "fail", str(error), error.remedy)
    except OSError as error:
        return Finding(check, "fail", str(error), "Fix the folder's permissions.")


def _on_path() -> Finding:
    found = shutil.which("expacti")
    if found:
        return Finding("PATH", "ok", found)
    return Finding("PATH", "warn", "`expacti` is not on the PATH", "Add its folder to PATH.")


def _permissions() -> Finding:
    folder = config_folder()
    if not folder.exists():
        return Finding("permissions", "ok", f"{folder} does not exist yet")
    for path in (folder, *folder.glob("profiles/*.json")):
        complaint = unsafe(path.stat())
        if complaint:
            mode = 700 if path.is_dir() else 600
            text = f"{path} {complaint}"
            return Finding("permissions", "fail", text, f"chmod {mode} '{path}'")
    return Finding("permissions", "ok", str(folder))


def _configuration(profile: str | None, found: list[Settings]) -> Finding:
    settings = load_settings(profile)
    found.append(settings)
    return Finding("configuration", "ok", f"profile {settings.profile}, {settings.url}")


def _ledger(settings: Settings) -> Finding:
    settings.ledger.probe()
    return Finding("ledger", "ok", f"{settings.ledger.folder} is writable")


def _transport_security(settings: Settings) -> Finding:
    if settings.url.startswith("https:"):
        return Finding("TLS", "ok", "https")
    return Finding("TLS", "warn", "plain HTTP, on this machine only", "Use https elsewhere.")


def _server(transport: Transport) -> Iterator[Finding]:
    started = time.time()
    try:
        who = transport.drive(whoami(within(TRY_S, 2)))
    except ExpactiError as error:
        yield Finding("server and API key", "fail", str(error), error.remedy)
        return
    middle = (started + time.time()) / 2
    name, organization = who.identity.agent_name, who.identity.organization_name
    yield Finding("server and API key", "ok", f"agent {name} of {organization}")
    if who.server_time is None:
        yield Finding("clock", "warn", "the server did not tell its time")
        return
    skew = middle - who.server_time - 0.5  # the server's time is cut to whole seconds
    if abs(skew) > SKEW_S:
        text = f"this machine's clock differs from the server's by {skew:+.0f} s"
        yield Finding("clock", "warn", text, "Set the clock, for example by NTP.")
    else:
        yield Finding("clock", "ok", f"within {SKEW_S} s of the server's")


def _grant_key(settings: Settings, transport: Transport) -> Finding:
    trust = Trust(settings, lambda _text: None)
    if trust.pin is None:
        text = "no key is pinned yet; the first run pins the server's"
        return Finding("grant key", "warn", text, "Run `expacti login` to compare it first.")
    key = trust.follow(transport.drive(published_keys(within(TRY_S, 2))))
    return Finding("grant key", "ok", f"{key.kid} (pinned, or reached by signed rotations)")
