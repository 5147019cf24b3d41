"""Canonical JSON, digest, environment, resolution, terminal safety."""

from __future__ import annotations

import hashlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from expacti_agent import CommandNotFoundError, CommandSpec, InvalidRequestError
from expacti_agent.baseenv import apply, base_environment, difference
from expacti_agent.canonical import CanonicalError, canonical, parse, parse_canonical
from expacti_agent.digest import digest_of, format_time, parse_time
from expacti_agent.request import build_request as build
from expacti_agent.request import resolve
from expacti_agent.visible import visible, visible_argv

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
build_request = partial(build, organization="o", agent="a")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_digest_vectors(case: dict[str, Any]) -> None:
    assert canonical(case["bound"]).decode() == case["canonical"]
    assert digest_of(case["bound"]) == case["digest"]
    assert parse_canonical(case["canonical"].encode()) == case["bound"]


@pytest.mark.parametrize("change", ["argv", "exe", "cwd", "env", "user", "host", "stdin", "nonce"])
def test_digest_binds_every_member(change: str) -> None:
    bound = dict(VECTORS["cases"][0]["bound"])
    bound[change] = "other"
    assert digest_of(bound) != VECTORS["cases"][0]["digest"]


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), 2**53, -(2**53), "\ud800", "a\0b", {"é": 1}, {1: 1}, b"x", {"\0": 1}],
)
def test_canonical_refuses(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonical({"a": [value]} if not isinstance(value, dict) else value)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b"1.0",
        b"1e3",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b'"\\u0000"',
        b'"\xff"',
        b"[" * 100_000,
        b"\xef\xbb\xbf1",
        b"",
        b"1 2",
    ],
)
def test_parse_refuses(text: bytes) -> None:
    with pytest.raises(CanonicalError):
        parse(text)


@pytest.mark.parametrize("text", [b'{"b":1,"a":2}', b'{"a": 1}', b'"\\u00e9"', b'"\\/"', b"1\n"])
def test_parse_canonical_refuses_other_spellings(text: bytes) -> None:
    parse(text)
    with pytest.raises(CanonicalError):
        parse_canonical(text)


def test_times() -> None:
    assert format_time(1893553445) == "2030-01-02T03:04:05Z"
    assert parse_time("2030-01-02T03:04:05Z") == 1893553445
    assert parse_time("2030-01-02T03:04:05.999999Z") == 1893553445
    for wrong in (
        "2030-01-02 03:04:05Z",
        "2030-01-02T03:04:05+00:00",
        "",
        "2030-01-02T03:04:05.Zx",
    ):
        with pytest.raises(ValueError, match=r".*"):
            parse_time(wrong)


def test_difference_is_complete_and_only_that() -> None:
    base = {"PATH": "/bin", "LANG": "C.UTF-8", "HOME": "/h"}
    caller = {
        "LD_PRELOAD": "/evil.so",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "LC_ALL": "de",
        "X": "1",
    }
    found = difference({"A": "1", "HOME": None, "GONE": None, "PATH": "/bin"}, caller, base, ("X",))
    assert found == {"TERM": "xterm", "LC_ALL": "de", "X": "1", "A": "1", "HOME": None}
    assert apply(base, found) == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "LC_ALL": "de",
        "X": "1",
        "A": "1",
    }


@pytest.mark.parametrize("name", ["", "A=B", "Ä", "A\0"])
def test_environment_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        difference({name: "x"}, {}, {})


def test_base_environment_for_a_uid_without_a_name() -> None:
    assert base_environment(2**30) == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/",
        "USER": str(2**30),
        "LOGNAME": str(2**30),
        "SHELL": "/bin/sh",
    }


def test_resolve_uses_the_childs_path_and_does_not_follow_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool"
    tool.symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandNotFoundError):
        build_request(CommandSpec(argv=("tool",)))
    spec = CommandSpec(argv=("tool",), env={"PATH": f"/nowhere:{tmp_path}"})
    assert build_request(spec).bound.exe == str(tool)


def test_resolve_relative_and_dotted_names(tmp_path: Path) -> None:
    (tmp_path / "real/bin").mkdir(parents=True)
    (tmp_path / "real/prog").symlink_to("/bin/sh")
    (tmp_path / "link").symlink_to("real/bin")
    assert resolve("./real//prog", str(tmp_path), "") == f"{tmp_path}/real/prog"
    # Textually this would be tmp_path/prog; the kernel goes to real/prog, and so does the request.
    assert resolve("link/../prog", str(tmp_path), "") == f"{tmp_path}/real/prog"
    for nothing in ("", "real", "./real", "missing/x", "prog\0"):
        with pytest.raises(CommandNotFoundError):
            resolve(nothing, str(tmp_path), "/bin")


def test_paths_are_normalized() -> None:
    spec = CommandSpec(command="true", shell="/bin/..//bin/sh", cwd="//usr/./bin/..")
    bound = build_request(spec).bound
    assert (bound.shell, bound.exe, bound.cwd) == (bound.exe, bound.exe, "/usr")
    assert bound.exe is not None
    assert os.path.normpath(bound.exe) == bound.exe
    assert resolve("sh", "/", "/bin//") == "/bin/sh"
    assert resolve("//bin/sh", "/", "") == "/bin/sh"


def test_shell_line_request() -> None:
    bound = build_request(CommandSpec(command="echo a | cat", shell="/bin/sh")).bound
    assert (bound.exe, bound.shell, bound.argv) == ("/bin/sh", "/bin/sh", None)
    assert "argv" not in bound.as_json()
    with pytest.raises(InvalidRequestError):
        build_request(CommandSpec(command="x", shell="sh"))


@pytest.mark.parametrize(
    "spec",
    [
        CommandSpec(),
        CommandSpec(argv=()),
        CommandSpec(command=""),
        CommandSpec(argv=("ls",), command="ls"),
        CommandSpec(argv=("ls", "\udcff")),
        CommandSpec(argv=("ls", "a\0b")),
        CommandSpec(argv=("ls",), ttl_s=9),
        CommandSpec(argv=("ls",), ttl_s=86401),
        CommandSpec(argv=("ls",), cwd="/does/not/exist"),
        CommandSpec(argv=("ls",), stdin=b"x" * (10 * 2**20 + 1)),
    ],
)
def test_requests_that_cannot_be(spec: CommandSpec) -> None:
    with pytest.raises(InvalidRequestError):
        build_request(spec)


def test_stdin_is_bound_by_its_hash() -> None:
    bound = build_request(CommandSpec(argv=("cat",), stdin=b"in\n")).bound
    assert bound.stdin == "sha256:" + hashlib.sha256(b"in\n").hexdigest()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041\ufe0f", "tag\\U000e0041\\ufe0f"),
        ("line\nnext\r\t\x7f\x85", "line\\nnext\\r\\t\\x7f\\x85"),
        ("no\u00a0break \ud800", "no\\xa0break \\ud800"),
        ("größe 日本 🚀", "größe 日本 🚀"),
        ("\u2028\u3164", "\\u2028\\u3164"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_visible_is_bounded() -> None:
    assert visible("x" * 50, limit=10) == "xxxxxxxxxx… (40 more characters)"
    assert visible_argv(["a b", "c"]) == "'a b' c"
