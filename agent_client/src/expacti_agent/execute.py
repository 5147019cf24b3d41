"""Run the child: exactly what was bound, once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from expacti_agent.baseenv import apply, base_environment
from expacti_agent.digest import digest_of
from expacti_agent.errors import ExecutionError, GrantRefusedError
from expacti_agent.request import is_executable
from expacti_agent.signals import SignalRelay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from expacti_agent.grants import Grant
    from expacti_agent.ledger import Ledger
    from expacti_agent.request import Request

CHUNK = 64 * 1024
SPOOL = 1024 * 1024


@dataclass(frozen=True)
class Result:
    """How a child ended: `exit_code` 0 to 255, or `signal`; the other is None.

    `output_sha256` is over all of standard output followed by all of standard error, None where
    the output was inherited. `stdout` and `stderr` are set only where they were captured.
    """

    exit_code: int | None
    signal: int | None
    duration_ms: int
    output_sha256: str | None = None
    stdout: bytes | None = None
    stderr: bytes | None = None

    @property
    def status(self) -> int:
        """The status a shell would show: the exit code, or 128 + the signal."""
        return 128 + self.signal if self.signal is not None else self.exit_code or 0

    def as_json(self) -> dict[str, object]:
        """Return the body for `POST …/result/`."""
        names = ("exit_code", "signal", "duration_ms", "output_sha256")
        return {name: getattr(self, name) for name in names}


def execute(
    request: Request, grant: Grant, ledger: Ledger, *, capture: bool = False, tee: bool = False
) -> Result:
    """Consume the grant and run the child.

    Args:
        request: the request that the grant was verified against.
        grant: from `verify_grant`.
        ledger: where the one run is recorded, durably, before anything starts.
        capture: return the child's output instead of inheriting standard output and error.
        tee: pass the output through, and compute its digest.

    Raises:
        GrantRefusedError: the grant is not this request's, or has expired.
        ExecutionError: the program is gone or does not start.
        AlreadyConsumedError, LedgerError: see `Ledger.consume`.
    """
    bound = request.bound
    exe = bound.exe
    # 1. Still the very command that was approved, and in time.
    if (grant.digest, grant.command) != (digest_of(bound.as_json()), bound.id):
        raise GrantRefusedError("digest", "it is for another command")
    if time.time() >= grant.expires_at or request.remaining_s() <= 0:
        raise GrantRefusedError("expired", "it has expired")
    # 2. Still there.
    if exe is None or not is_executable(exe):
        raise ExecutionError(f"the program is gone: {exe}")
    # 3. Once. After this line there is no second try, whatever happens.
    ledger.consume(bound.id, grant.jti)
    # 4. Run.
    with _standard_input(request) as stdin, SignalRelay() as relay:
        started = time.monotonic()
        process = _spawn(request, exe, stdin, piped=capture or tee)
        relay.attach(process)
        if not (capture or tee):
            relay.wait()
            return _result(process, started)
        return _piped(process, relay, started, tee=tee)


def _spawn(
    request: Request, exe: str, stdin: int | None, *, piped: bool
) -> subprocess.Popen[bytes]:
    bound = request.bound
    if bound.argv is not None:
        argv = list(bound.argv)
    else:
        argv = [os.path.basename(exe), "-c", bound.command or ""]  # noqa: PTH119 - text, no file
    pipe = subprocess.PIPE if piped else None
    try:
        return subprocess.Popen(  # noqa: S603 - running what was approved is the purpose
            argv,
            executable=exe,
            cwd=bound.cwd,
            env=apply(base_environment(), bound.env),
            stdin=stdin,
            stdout=pipe,
            stderr=pipe,
        )
    except (OSError, ValueError) as error:
        raise ExecutionError(f"{exe} does not start: {error}") from error


@contextmanager
def _standard_input(request: Request) -> Iterator[int | None]:
    if request.bound.stdin == "open":
        yield None
    elif request.bound.stdin == "none":
        yield subprocess.DEVNULL
    else:
        data = request.stdin_data or b""
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != request.bound.stdin:
            raise ExecutionError("standard input is not what was approved")
        with _private_file() as file:
            file.write(data)
            file.seek(0)
            yield file.fileno()


def _private_file() -> IO[bytes]:
    """Return a file without a name, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("expacti-stdin"), "w+b")
    return tempfile.TemporaryFile()


def _piped(
    process: subprocess.Popen[bytes], relay: SignalRelay, started: float, *, tee: bool
) -> Result:
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, _spool() as out, _spool() as err:
        pumps = [
            threading.Thread(target=_pump, args=(source, spool, fd if tee else None), daemon=True)
            for source, spool, fd in ((process.stdout, out, 1), (process.stderr, err, 2))
        ]
        for pump in pumps:
            pump.start()
        relay.wait()
        for pump in pumps:
            pump.join()
        return _result(process, started, out, err, keep=not tee)


def _spool() -> tempfile.SpooledTemporaryFile[bytes]:
    return tempfile.SpooledTemporaryFile(SPOOL)


def _pump(source: IO[bytes], spool: IO[bytes], fd: int | None) -> None:
    while True:
        chunk = os.read(source.fileno(), CHUNK)
        if not chunk:
            return
        spool.write(chunk)
        rest = chunk
        while fd is not None and rest:
            try:
                rest = rest[os.write(fd, rest) :]
            except OSError:
                fd = None  # our reader is gone; the child runs on, its output still counts


def _result(
    process: subprocess.Popen[bytes],
    started: float,
    out: IO[bytes] | None = None,
    err: IO[bytes] | None = None,
    *,
    keep: bool = False,
) -> Result:
    duration = max(0, int((time.monotonic() - started) * 1000))
    code = process.returncode
    exit_code, signal = (code, None) if code >= 0 else (None, -code)
    if out is None or err is None:
        return Result(exit_code, signal, duration)
    digest = hashlib.sha256()
    for spool in (out, err):
        spool.seek(0)
        for chunk in iter(lambda source=spool: source.read(CHUNK), b""):  # type: ignore[misc]
            digest.update(chunk)
        spool.seek(0)
    kept = (out.read(), err.read()) if keep else (None, None)
    return Result(exit_code, signal, duration, digest.hexdigest(), *kept)
