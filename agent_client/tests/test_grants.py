"""Attacks 23 to 26 and 28: whatever the server says, the child runs only for a valid grant."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from expacti_agent import (
    AlreadyConsumedError,
    Client,
    CommandSpec,
    ExecutionError,
    GrantRefusedError,
    KeyNotTrustedError,
    LedgerError,
    ProtocolError,
    load_settings,
)
from expacti_agent.ledger import Ledger
from standin import Json, Key, StandIn, b64, jcs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = "11111111-2222-4333-8444-555555555555"


def touch(marker: Path) -> CommandSpec:
    return CommandSpec(argv=("touch", str(marker)), ttl_s=60)


def test_an_approved_command_runs_once_exactly_as_bound(client: Client, tmp_path: Path) -> None:
    script = 'printf "%s|" "$0" "$@" "$PWD" "${SECRET-unset}" "$A"; cat'
    spec = CommandSpec(
        argv=("sh", "-c", script, "näme", "", "x y"),
        cwd=str(tmp_path),
        env={"A": "1"},
        stdin=b"fed",
    )
    os.environ["SECRET"] = "s"
    try:
        result = client.run(spec, capture=True)
    finally:
        del os.environ["SECRET"]
    assert result.stdout is not None
    assert result.stdout.decode() == f"näme||x y|{tmp_path}|unset|1|fed"
    assert result.status == 0
    assert result.output_sha256 == hashlib.sha256(result.stdout).hexdigest()


def test_rule_approval_costs_one_round_trip_after_the_first(
    client: Client, configured: StandIn, tmp_path: Path
) -> None:
    client.run(touch(tmp_path / "first"))
    configured.seen.clear()
    client.run(touch(tmp_path / "second"))
    assert [one.path.rsplit("/", 2)[1] for one in configured.seen] == ["commands", "result"]


def claims(**changes: Any) -> Callable[[StandIn], Callable[[Json], str]]:
    return lambda standin: lambda given: standin.key.sign({**given, **changes})


def header(**changes: Any) -> Callable[[StandIn], Callable[[Json], str]]:
    def make(standin: StandIn) -> Callable[[Json], str]:
        base = {"alg": "EdDSA", "kid": standin.key.kid, "typ": "expacti-grant+jws"}
        return lambda given: standin.key.sign(given, {**base, **changes})

    return make


def wrong_key(standin: StandIn) -> Callable[[Json], str]:
    kid = standin.key.kid  # claims to be the pinned key
    return lambda given: Key().sign(given, {"alg": "EdDSA", "kid": kid, "typ": "expacti-grant+jws"})


def own_key(_standin: StandIn) -> Callable[[Json], str]:
    return lambda given: Key().sign(given)


def unsigned(standin: StandIn) -> Callable[[Json], str]:
    head = {"alg": "none", "kid": standin.key.kid, "typ": "expacti-grant+jws"}
    return lambda given: f"{b64(jcs(head))}.{b64(jcs(given))}."


def empty_signature(standin: StandIn) -> Callable[[Json], str]:
    return lambda given: standin.key.sign(given).rsplit(".", 1)[0] + "."


def hs256(standin: StandIn) -> Callable[[Json], str]:
    def forge(given: Json) -> str:
        head = {"alg": "HS256", "kid": standin.key.kid, "typ": "expacti-grant+jws"}
        signed = f"{b64(jcs(head))}.{b64(jcs(given))}"
        return f"{signed}.{b64(hmac.new(standin.key.x, signed.encode(), 'sha256').digest())}"

    return forge


def without(member: str) -> Callable[[StandIn], Callable[[Json], str]]:
    return lambda standin: (
        lambda given: standin.key.sign({k: v for k, v in given.items() if k != member})
    )


def altered_after_signing(standin: StandIn) -> Callable[[Json], str]:
    def forge(given: Json) -> str:
        head, _, signature = standin.key.sign({**given, "digest": "0" * 64}).split(".")
        return f"{head}.{b64(jcs(given))}.{signature}"

    return forge


def not_canonical(standin: StandIn) -> Callable[[Json], str]:
    def forge(given: Json) -> str:
        head = b64(jcs({"alg": "EdDSA", "kid": standin.key.kid, "typ": "expacti-grant+jws"}))
        body = b64(jcs(given)[:-1] + b',"v":1}')  # a repeated key
        signed = f"{head}.{body}"
        return f"{signed}.{b64(standin.key.private.sign(signed.encode()))}"

    return forge


def padded(standin: StandIn) -> Callable[[Json], str]:
    return lambda given: standin.key.sign(given) + "=="


LIES: dict[str, tuple[Callable[[StandIn], Callable[[Json], Any]], str]] = {
    "signature by another key under the pinned kid": (wrong_key, "signature"),
    "another key": (own_key, "kid"),
    "another digest": (claims(digest="0" * 64), "digest"),
    "another agent": (claims(agent=OTHER), "agent"),
    "another organization": (claims(organization=OTHER), "organization"),
    "another command": (claims(command=OTHER), "command"),
    "another issuer": (claims(iss="https://evil.example"), "iss"),
    "another release nonce": (claims(release_nonce="0" * 32), "release_nonce"),
    "another expiry": (claims(exp=int(time.time()) + 86400), "exp"),
    "expiry as a text": (claims(exp="soon"), "exp"),
    "issued in the past": (claims(iat=1000), "iat"),
    "issued in the future": (claims(iat=int(time.time()) + 4000), "iat"),
    "another version": (claims(v=2), "v"),
    "true for 1": (claims(v=True), "v"),
    "no reason": (claims(by="nobody"), "by"),
    "no jti": (claims(jti=""), "jti"),
    "a path as jti": (claims(jti="../" * 11), "jti"),
    "one more member": (claims(extra=1), "members"),
    "a member less": (without("by"), "members"),
    "alg none": (unsigned, "alg"),
    "no signature": (empty_signature, "signature"),
    "HS256 with the public key": (hs256, "alg"),
    "alg in lower case": (header(alg="eddsa"), "alg"),
    "ES256": (header(alg="ES256"), "alg"),
    "another typ": (header(typ="JWT"), "typ"),
    "the rotation's typ": (header(typ="expacti-grant-key-rotation+jws"), "typ"),
    "crit": (header(crit=["b64"], b64=False), "header"),
    "embedded jwk": (header(jwk=Key().jwk), "header"),
    "jku": (header(jku="https://evil.example/keys"), "header"),
    "x5c": (header(x5c=[]), "header"),
    "a kid that is no text": (header(kid=1), "kid"),
    "payload swapped under a signature": (altered_after_signing, "signature"),
    "repeated key": (not_canonical, "payload"),
    "padding": (padded, "form"),
    "four parts": (lambda s: lambda given: s.key.sign(given) + ".x", "form"),
    "no token at all": (lambda _s: lambda _given: "yes", "form"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_false_grant_never_runs(
    lie: str, client: Client, configured: StandIn, tmp_path: Path
) -> None:
    forge, check = LIES[lie]
    client.login()  # the honest key is pinned
    configured.forge = forge(configured)
    marker = tmp_path / "marker"
    with pytest.raises(GrantRefusedError) as refused:
        client.run(touch(marker))
    assert refused.value.check == check
    assert not marker.exists()


@pytest.mark.parametrize("grant", [None, True, 1, {"token": "x"}, []])
def test_a_yes_without_a_grant_is_no_yes(
    grant: object, client: Client, configured: StandIn, tmp_path: Path
) -> None:
    configured.forge = lambda _claims: grant
    marker = tmp_path / "marker"
    with pytest.raises(ProtocolError, match="without a grant"):
        client.run(touch(marker))
    assert not marker.exists()


def test_a_rule_cannot_approve_open_stdin(client: Client, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    spec = CommandSpec(argv=("touch", str(marker)), stdin="open")
    with pytest.raises(GrantRefusedError) as refused:
        client.run(spec)
    assert refused.value.check == "by"
    assert not marker.exists()


@pytest.mark.parametrize("member", ["digest", "id"])
def test_an_answer_about_another_command(
    member: str, client: Client, configured: StandIn, tmp_path: Path
) -> None:
    configured.lie = lambda command: {**command, member: OTHER}
    marker = tmp_path / "marker"
    with pytest.raises(ProtocolError):
        client.run(touch(marker))
    assert not marker.exists()


def test_an_expired_grant(client: Client, configured: StandIn, tmp_path: Path) -> None:
    assert configured.url
    request = client.prepare(touch(tmp_path / "marker"))
    grant = client.obtain(request)
    object.__setattr__(request, "deadline", time.monotonic() - 1)  # only the monotonic clock
    with pytest.raises(GrantRefusedError, match="expired"):
        client.execute(request, grant)
    assert not (tmp_path / "marker").exists()


def test_a_command_changed_after_approval(client: Client, tmp_path: Path) -> None:
    """Attack 25."""
    request = client.prepare(touch(tmp_path / "one"))
    grant = client.obtain(request)
    object.__setattr__(request.bound, "argv", ("touch", str(tmp_path / "two")))
    with pytest.raises(GrantRefusedError, match="another command"):
        client.execute(request, grant)
    assert list(tmp_path.glob("[ot]*")) == []


def test_a_grant_runs_once(client: Client, tmp_path: Path) -> None:
    log = tmp_path / "log"
    request = client.prepare(CommandSpec(command=f"echo ran >> {log}", shell="/bin/sh"))
    grant = client.obtain(request)
    client.execute(request, grant)
    with pytest.raises(AlreadyConsumedError):
        client.execute(request, grant)
    assert log.read_text() == "ran\n"


def test_another_grant_for_the_same_command(
    client: Client, configured: StandIn, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    request = client.prepare(CommandSpec(command=f"echo ran >> {log}", shell="/bin/sh"))
    client.execute(request, client.obtain(request))
    configured.grants.clear()  # the server signs a second one, with a fresh jti
    with pytest.raises(AlreadyConsumedError):
        client.execute(request, client.obtain(request))
    assert log.read_text() == "ran\n"


def test_a_replayed_jti(client: Client, configured: StandIn, tmp_path: Path) -> None:
    configured.forge = lambda given: configured.key.sign({**given, "jti": "ab" * 16})
    client.run(touch(tmp_path / "one"))
    with pytest.raises(AlreadyConsumedError):
        client.run(touch(tmp_path / "two"))
    assert not (tmp_path / "two").exists()


def test_death_between_consume_and_exec_allows_no_second_run(
    client: Client, configured: StandIn, tmp_path: Path
) -> None:
    """Attack 26."""
    marker = tmp_path / "marker"
    program = (
        "import os, signal, sys, importlib\n"
        "module = importlib.import_module('expacti_agent.execute')\n"
        "module._spawn = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from expacti_agent import Client, CommandSpec\n"
        "Client().run(CommandSpec(argv=('touch', sys.argv[1])))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(marker)], check=False)
    assert done.returncode == -signal.SIGKILL
    # A restarted agent that kept request and grant tries again.
    (command,) = configured.commands.values()
    (jti,) = [path.stem for path in client.settings.ledger.folder.glob("*/*.jti")]
    assert client.settings.ledger.was_consumed(command["id"])
    with pytest.raises(AlreadyConsumedError):
        client.settings.ledger.consume(command["id"], jti)
    assert not marker.exists()


def test_ledger_that_cannot_be_written(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = client.prepare(touch(tmp_path / "marker"))
    grant = client.obtain(request)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError):
        client.execute(request, grant)
    monkeypatch.undo()
    assert not (tmp_path / "marker").exists()


def test_of_many_that_race_one_wins(tmp_path: Path) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def consume() -> None:
        barrier.wait()
        try:
            Ledger(tmp_path / "ledger").consume(OTHER, "ab" * 16)
            outcomes.append("won")
        except AlreadyConsumedError:
            outcomes.append("lost")

    threads = [threading.Thread(target=consume) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]


def test_ledger_forgets_only_what_is_old(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.consume("ab" + OTHER[2:], "ab" * 16)
    old = tmp_path / "ab" / ("ab" * 16 + ".jti")
    os.utime(old, (time.time() - 91 * 86400,) * 2)
    ledger.consume(OTHER, "ab" + "cd" * 15)
    assert not old.exists()
    assert ledger.was_consumed("ab" + OTHER[2:])


def test_ledger_takes_no_paths(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        Ledger(tmp_path).consume("../" * 12, "ab" * 16)


def test_a_program_that_went_away(client: Client, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.symlink_to("/bin/true")
    request = client.prepare(CommandSpec(argv=(str(tool),)))
    grant = client.obtain(request)
    tool.unlink()
    with pytest.raises(ExecutionError, match="gone"):
        client.execute(request, grant)
    assert not client.settings.ledger.was_consumed(grant.jti)


# Keys.


def rotate(standin: StandIn, *keys: Key, forged: bool = False) -> None:
    chain = [standin.key, *keys]
    links = [(Key() if forged else old).rotate_to(new) for old, new in zip(chain, chain[1:])]
    standin.published = {
        "keys": [key.jwk for key in chain],
        "current": chain[-1].kid,
        "rotations": list(reversed(links)),
    }
    standin.key = chain[-1]


def test_a_key_reached_by_rotations_is_trusted_and_then_pinned(
    client: Client, configured: StandIn, tmp_path: Path
) -> None:
    client.login()
    old = configured.key
    rotate(configured, Key(), Key())
    client.run(touch(tmp_path / "marker"))
    assert (tmp_path / "marker").exists()
    pin = load_settings().store.load("default").pins[configured.url]
    assert pin.key.kid == configured.key.kid
    assert len(pin.history) == 3
    # From now on the old key's grants are refused.
    configured.forge = old.sign
    with pytest.raises(KeyNotTrustedError):
        client.run(touch(tmp_path / "again"))


@pytest.mark.parametrize(
    "how", ["another signer", "forged", "other old", "missing", "forked", "circle", "other typ"]
)
def test_broken_rotations(how: str, client: Client, configured: StandIn, tmp_path: Path) -> None:
    client.login()
    old, between, new = configured.key, Key(), Key()
    rotate(configured, between, new, forged=how == "another signer")
    published = configured.published
    assert published is not None
    payload = {"v": 1, "old": old.kid, "new": between.jwk, "iat": 1}
    typ = "expacti-grant-key-rotation+jws"
    if how == "forged":
        head = {"alg": "EdDSA", "kid": old.kid, "typ": typ}
        published["rotations"][1] = Key().sign(payload, head)
    elif how == "other old":
        published["rotations"][1] = old.sign({**payload, "old": new.kid}, typ=typ)
    elif how == "missing":
        published["rotations"].pop()
    elif how == "forked":
        published["rotations"].append(old.rotate_to(Key()))
    elif how == "circle":
        published["rotations"] = [old.rotate_to(between), between.rotate_to(old)]
    elif how == "other typ":
        published["rotations"][1] = old.sign(payload)
    with pytest.raises(KeyNotTrustedError):
        client.run(touch(tmp_path / "marker"))
    assert not (tmp_path / "marker").exists()


def test_the_expected_key_must_match_at_first_use(
    configured: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPACTI_GRANT_KEY", Key().kid)
    with Client() as client, pytest.raises(KeyNotTrustedError):
        client.run(touch(tmp_path / "marker"))
    monkeypatch.setenv("EXPACTI_GRANT_KEY", configured.key.kid)
    with Client() as client:
        client.run(touch(tmp_path / "marker"))
    rotate(configured, Key())
    with Client() as client:  # descends from the expected one
        client.run(touch(tmp_path / "marker"))
    with Client() as client:
        client.run(touch(tmp_path / "marker"))
    monkeypatch.setenv("EXPACTI_GRANT_KEY", Key().kid)
    with pytest.raises(KeyNotTrustedError):
        Client()


def test_a_server_that_takes_the_place_of_the_pinned_one(
    client: Client, configured: StandIn, tmp_path: Path
) -> None:
    client.login()
    configured.key = Key()
    with pytest.raises(KeyNotTrustedError):
        client.run(touch(tmp_path / "marker"))
    with pytest.raises(KeyNotTrustedError):
        client.login()
    client.login(replace=True)  # the user's own decision
    client.run(touch(tmp_path / "marker"))
