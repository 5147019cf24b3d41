"""The scrubbed base environment (`expacti/env/1`) and the difference from it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from expacti_agent.canonical import CanonicalError, check
from expacti_agent.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE_LANG = "C.UTF-8"
# Taken over from the caller where they differ: how text looks, never what runs.
PASSED = ("TERM", "LANG", "TZ", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES")
PASSED_PREFIX = "LC_"


def base_environment(uid: int | None = None) -> dict[str, str]:
    """Return the environment that every child starts from.

    A uid without an entry in the password database (usual in containers) is its own name, with
    `HOME=/` and `SHELL=/bin/sh`.

    Raises:
        InvalidRequestError: this system has no password database.
    """
    if sys.platform == "win32":  # pragma: no cover
        raise InvalidRequestError("commands can be run on POSIX systems only")
    import pwd  # noqa: PLC0415 - absent on Windows, where login and verify still work

    number = os.getuid() if uid is None else uid
    try:
        entry = pwd.getpwuid(number)
        name, home, shell = entry.pw_name, entry.pw_dir, entry.pw_shell
    except KeyError:
        name, home, shell = str(number), "/", ""
    return {
        "PATH": BASE_PATH,
        "LANG": BASE_LANG,
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "SHELL": shell or "/bin/sh",
    }


def difference(
    wanted: Mapping[str, str | None],
    caller: Mapping[str, str],
    base: Mapping[str, str],
    passed: Iterable[str] = (),
) -> dict[str, str | None]:
    """Return the complete difference from `base`, for the request's `env`.

    Args:
        wanted: names that were asked for; a string sets, None removes.
        caller: the caller's environment, from which only `PASSED`, `LC_*` and `passed` are taken.
        base: the base environment.
        passed: further names to take over (the profile's `pass_env`).

    Raises:
        InvalidRequestError: a name or value that no request can carry.
    """
    names = [*PASSED, *(name for name in caller if name.startswith(PASSED_PREFIX)), *passed]
    result: dict[str, str | None] = {name: caller[name] for name in names if name in caller}
    result.update(wanted)
    for name, value in result.items():
        _check_entry(name, value)
    return {name: value for name, value in result.items() if value != base.get(name)}


def apply(base: Mapping[str, str], env: Mapping[str, str | None]) -> dict[str, str]:
    """Return the child's whole environment: `base` changed by `env`, and nothing else."""
    result = dict(base)
    for name, value in env.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def _check_entry(name: str, value: str | None) -> None:
    try:
        check({name: value})
    except CanonicalError as error:
        raise InvalidRequestError(f"the environment variable {name!r} holds {error}") from None
    if not name or "=" in name:
        raise InvalidRequestError(f"{name!r} is not the name of an environment variable")
