"""From what a user typed to a request: resolve, scrub, bind."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expacti_agent.baseenv import apply, base_environment, difference
from expacti_agent.canonical import CanonicalError
from expacti_agent.digest import Bound, digest_of
from expacti_agent.errors import CommandNotFoundError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_TTL_S = 300
MIN_TTL_S = 10
MAX_TTL_S = 24 * 3600
MAX_STDIN = 10 * 1024 * 1024
DEFAULT_SHELL = "/bin/bash"


@dataclass(frozen=True)
class CommandSpec:
    """What to run.

    Exactly one of `argv` (executed without a shell) and `command` (a line for `shell`) is set.
    `cwd` None is the current folder. `env` is on top of the base environment: a string sets, None
    removes. `stdin` is `none`, `open` (inherited), or the bytes to feed, 10 MiB at most. `ttl_s`
    is 10 to 86,400 seconds, None for 300. `reason` (2,000 characters at most) and `context` are
    shown to the reviewer and bound by nothing.
    """

    argv: tuple[str, ...] | None = None
    command: str | None = None
    shell: str = DEFAULT_SHELL
    cwd: str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    stdin: Literal["none", "open"] | bytes = "none"
    ttl_s: int | None = None
    reason: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A command ready to submit: what is bound, its digest, and this client's secrets for it.

    `created_at` is Unix time in whole seconds; `deadline` is on `time.monotonic()`, so that setting
    the clock back gives no request a longer life. `stdin_data` are the bytes to feed, if any.
    """

    bound: Bound
    digest: str
    release_nonce: str
    created_at: int
    deadline: float
    reason: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    stdin_data: bytes | None = field(default=None, repr=False)

    def remaining_s(self) -> float:
        """Return the seconds left on the monotonic clock, negative when over."""
        return self.deadline - time.monotonic()

    def body(self, *, with_release: bool = True) -> dict[str, object]:
        """Return the body for `POST commands/`; the same each time, so that it can be repeated."""
        result = self.bound.as_json()
        for name in ("v", "organization", "agent"):
            del result[name]
        result["digest"] = self.digest
        if self.reason:
            result["reason"] = self.reason
        if self.context:
            result["context"] = dict(self.context)
        if with_release:
            result["release_nonce"] = self.release_nonce
        return result


def build_request(
    spec: CommandSpec, *, organization: str, agent: str, passed: tuple[str, ...] = ()
) -> Request:
    """Resolve `spec` on this machine and bind it.

    Args:
        spec: what to run.
        organization: UUID of the organization.
        agent: UUID of the agent.
        passed: further names taken over from this process's environment.

    Raises:
        CommandNotFoundError: no such program.
        InvalidRequestError: anything else that no request can carry.
    """
    if (spec.argv is None) == (spec.command is None) or spec.argv == () or spec.command == "":
        raise InvalidRequestError("give either a program with its arguments or a shell line")
    base = base_environment()
    env = difference(spec.env, os.environ, base, passed)
    cwd = _working_folder(spec.cwd)
    ttl = DEFAULT_TTL_S if spec.ttl_s is None else spec.ttl_s
    if not MIN_TTL_S <= ttl <= MAX_TTL_S:
        raise InvalidRequestError(f"the time to live is {MIN_TTL_S} to {MAX_TTL_S} seconds")
    stdin, data = _standard_input(spec.stdin)
    program = spec.shell if spec.argv is None else spec.argv[0]
    if spec.argv is None and not spec.shell.startswith("/"):
        raise InvalidRequestError("the shell is named by its absolute path, such as /bin/bash")
    exe = resolve(program, cwd, apply(base, env).get("PATH", ""))
    now = int(time.time())
    bound = Bound(
        organization=organization,
        agent=agent,
        id=str(uuid.uuid4()),
        nonce=secrets.token_hex(16),
        argv=spec.argv,
        command=spec.command,
        shell=exe if spec.argv is None else None,
        exe=exe,
        cwd=cwd,
        env=env,
        user=base["USER"],
        host=os.uname().nodename,
        stdin=stdin,
        expires_at=now + ttl,
    )
    return bind(bound, created_at=now, spec=spec, stdin_data=data)


def bind(
    bound: Bound, *, created_at: int, spec: CommandSpec, stdin_data: bytes | None = None
) -> Request:
    """Compute the digest and draw the release nonce.

    Raises:
        InvalidRequestError: a text holds NUL or is not valid UTF-8.
    """
    try:
        digest = digest_of(bound.as_json())
    except CanonicalError as error:
        raise InvalidRequestError(
            f"the command holds {error}",
            remedy="Only UTF-8 text without NUL can be shown to a reviewer and approved.",
        ) from None
    return Request(
        bound=bound,
        digest=digest,
        release_nonce=secrets.token_hex(16),
        created_at=created_at,
        deadline=time.monotonic() + (bound.expires_at - time.time()),
        reason=spec.reason,
        context=spec.context,
        stdin_data=stdin_data,
    )


def resolve(program: str, cwd: str, path: str) -> str:
    """Return the absolute path that execve will get, symlinks to the program not followed.

    A name with a slash is relative to `cwd`; another is looked for on `path`.

    Raises:
        CommandNotFoundError: there is no executable file.
    """
    if "/" in program:
        candidates = [_join(cwd, program)]
    else:
        candidates = [_join(cwd, f"{folder or '.'}/{program}") for folder in path.split(":")]
    for candidate in candidates if program else ():
        if is_executable(candidate):
            return candidate
    raise CommandNotFoundError(f"command not found: {program}")


def is_executable(path: str) -> bool:
    """Tell whether `path` is a file that this user may execute."""
    try:
        return Path(path).is_file() and os.access(path, os.X_OK)
    except (OSError, ValueError):
        return False


def _join(cwd: str, name: str) -> str:
    """Make absolute. With `..`, the folder is resolved as the kernel would, never textually."""
    joined = name if name.startswith("/") else f"{cwd}/{name}"
    if ".." in joined.split("/"):
        folder, _, last = joined.rpartition("/")
        joined = f"{os.path.realpath(folder)}/{last}"
    return "/" + "/".join(part for part in joined.split("/") if part not in ("", "."))


def _working_folder(wanted: str | None) -> str:
    try:
        cwd = os.path.realpath(wanted or Path.cwd())
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"no usable working folder: {error}") from None
    if not Path(cwd).is_dir():
        raise InvalidRequestError(f"no such folder: {cwd}")
    return f"/{cwd.lstrip('/')}"  # POSIX lets two slashes stand at the start


def _standard_input(stdin: Literal["none", "open"] | bytes) -> tuple[str, bytes | None]:
    if isinstance(stdin, bytes):
        if len(stdin) > MAX_STDIN:
            raise InvalidRequestError(
                f"standard input is larger than {MAX_STDIN // 2**20} MiB",
                remedy="Put it into a file and name the file in the command.",
            )
        return f"sha256:{hashlib.sha256(stdin).hexdigest()}", stdin
    if stdin not in ("none", "open"):
        raise InvalidRequestError("stdin is none, open, or bytes")
    return stdin, None
