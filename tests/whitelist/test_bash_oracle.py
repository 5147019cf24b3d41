"""The strict tokenizer against the real shells: what it accepts, they read the same."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.whitelist.domain.limits import DEFAULT_LIMITS
from approvals.whitelist.domain.programs import BUILTINS
from approvals.whitelist.domain.rules import Outcome, evaluate
from approvals.whitelist.domain.shell import Agreed, agree
from approvals.whitelist.domain.words import RESERVED, Line, Operator, Rejected, quote_argv, tokenize
from tests.whitelist.builders import NOW, SETTINGS, allows, line

BASH, DASH = "/bin/bash", shutil.which("dash")
SHELLS = [BASH, *([DASH] if DASH else [])]
HOSTILE = "ab01 *?[]{}~$`<>()!#=;&|\\\"'\n\t\r^%,:.-/+@_\u00a0\u00e9\u202e\x01"
plain = st.text("abz019_-./:,=%+@#^\u00e9\u6f22", min_size=1, max_size=4)
single = st.text(HOSTILE.replace("'", ""), max_size=6).map(lambda text: f"'{text}'")
double = st.lists(
    st.one_of(st.text("ab *?~;&|<>(){}#='\u00e9", max_size=4), st.sampled_from(['\\"', "\\\\", "\\$", "\\`"])),
    max_size=4,
).map(lambda parts: '"' + "".join(parts) + '"')
escaped = st.sampled_from(HOSTILE).map(lambda character: "\\" + character)
FRAGMENTS = ["~", "`c1`", "$(c1)", "${x:-y}", "{a,b}", "{1..3}", "*", "?", "[a-z]*", " #", "#x", ">x", "<x", "a=~", "x=~:~", "$'a'", '$"a"',
             "!", "!!", "=c1", "\\\n", "(", ")", "]", "}", "&", "|&", ";;", "<(c1)", '"$(c1)"', '"`c1`"', '"a\\b"', "''", '""', "..", "-", "--"]  # fmt: skip
raw = st.one_of(st.text(HOSTILE, max_size=3), st.sampled_from(FRAGMENTS))
words = st.lists(st.one_of(plain, plain, single, double, escaped, raw), min_size=1, max_size=4).map("".join)
commands = st.builds(
    lambda name, arguments: " ".join([name, *arguments]),
    st.sampled_from(["c0", "c1", "c'2'"]),
    st.lists(words, max_size=4),
)
lines = st.lists(
    st.tuples(commands, st.sampled_from([" && ", "||", " ; ", ";", "|", " | ", " & ", "\n", " "])),
    min_size=1,
    max_size=4,
).map(lambda parts: "".join(command + operator for command, operator in parts[:-1]) + parts[-1][0])
slow = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
# Every name that a line may call writes what it was called with; anything else leaves a trace too.
RECORDER = """
record() { printf '%s\\0' "$@" $'\\x02' >> "$RECORD"; }
c0() { record c0 "$@"; }; c1() { record c1 "$@"; }; c2() { record c2 "$@"; }
command_not_found_handle() { record unexpected "$@"; }
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("oracle")
    (place / "cwd").mkdir()
    (place / "bin").mkdir()
    (place / "recorder").write_text(RECORDER)
    return place


def run(shell: str, text: str, place: Path, **env: str) -> bytes:
    done = subprocess.run(
        [shell, "-c", text], cwd=place / "cwd", env={"PATH": str(place / "bin"), "LANG": "C.UTF-8", **env},
        stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    assert not list((place / "cwd").iterdir()), "the line wrote a file"
    return done.stdout


def calls(text: str, place: Path) -> list[tuple[str, ...]]:
    """What bash calls, sorted, since the parts of a pipe run at once."""
    record = place / "record"
    record.unlink(missing_ok=True)
    record.touch()
    run(BASH, text, place, BASH_ENV=str(place / "recorder"), RECORD=str(record))
    whole = record.read_bytes().decode().split("\x02\0")
    return sorted(tuple(call.split("\0")[:-1]) for call in whole[:-1])


def expected_calls(accepted: Line) -> list[tuple[str, ...]]:
    """All succeed, so what follows `||` in the same list does not run."""
    ran, skip = [accepted.argvs[0]], False
    for operator, argv in zip(accepted.operators, accepted.argvs[1:], strict=True):
        if operator is not Operator.PIPE:
            skip = operator is Operator.OR
        if not skip:
            ran.append(argv)
    return sorted(ran)


@slow
@given(st.lists(words, min_size=1, max_size=5).map(" ".join))
@pytest.mark.parametrize("shell", SHELLS)
def test_accepted_words_are_what_the_shell_reads(shell: str, sandbox: Path, text: str) -> None:
    accepted = tokenize("c0 " + text)
    if not isinstance(accepted, Line) or len(accepted.argvs) > 1:
        return
    answer = run(shell, "printf '%s\\0' c0 " + text, sandbox).decode()
    assert tuple(answer.split("\0")[:-1]) == accepted.argvs[0]


@slow
@given(lines)
def test_an_accepted_line_runs_its_argvs_and_nothing_else(sandbox: Path, text: str) -> None:
    accepted = tokenize(text)
    if isinstance(accepted, Line) and {argv[0] for argv in accepted.argvs} <= {"c0", "c1", "c2"}:
        assert calls(text, sandbox) == expected_calls(accepted)


@slow
@given(st.one_of(lines, st.text(HOSTILE, max_size=12).map(lambda tail: "c0 " + tail)))
def test_what_the_rules_allow_is_what_bash_runs(sandbox: Path, text: str) -> None:
    verdict = evaluate(line(text), allows("c0 **", "c1 **", "c2 **"), SETTINGS, NOW)
    if verdict.outcome is Outcome.ALLOW:
        accepted = tokenize(text)
        assert isinstance(accepted, Line)
        assert calls(text, sandbox) == expected_calls(accepted)


@settings(max_examples=400, deadline=None)
@given(st.one_of(lines, st.text(HOSTILE, max_size=30), st.text(max_size=30)))
def test_nothing_raises_and_agreement_is_the_tokenizers(text: str) -> None:
    reading = agree(text, DEFAULT_LIMITS)
    evaluate(line(text), allows("c0 **"), SETTINGS, NOW)
    if isinstance(reading, Agreed):
        assert tokenize(text) == Line(reading.argvs, reading.operators)
    else:
        assert reading.reasons


@given(st.lists(st.text("ab *'\"\\$;\u00e9~!{}=-", max_size=5), max_size=5))
def test_canonical_quoting_reads_back(arguments: list[str]) -> None:
    argv = ("c0", *arguments)
    assert tokenize(quote_argv(argv)) == Line((argv,), ())
    reading = agree(quote_argv(argv), DEFAULT_LIMITS)
    assert isinstance(reading, Agreed), reading


def test_the_generators_are_not_idle() -> None:
    """A good part of what is generated is accepted, and a good part refused."""
    seen = {Line: 0, Rejected: 0}

    @settings(max_examples=300, database=None, derandomize=True)
    @given(lines)
    def count(text: str) -> None:
        seen[type(tokenize(text))] += 1

    count()
    assert min(seen.values()) > 40, seen


def test_every_reserved_word_and_builtin_of_bash_is_known() -> None:
    listed = {
        kind: set(
            subprocess.run([BASH, "-c", f"compgen -{kind}"], capture_output=True, text=True, check=True).stdout.split()
        )
        for kind in ("b", "k")
    }
    assert listed["b"] <= BUILTINS
    assert listed["k"] <= RESERVED


@pytest.mark.parametrize(
    "text", ["test -v 'a[$(c1)]'", "printf -v 'a[$(c1)]' x", "read 'a[$(c1)]'", "compgen -C c1 x", "let 'a[$(c1)]=1'"]
)
def test_builtins_that_evaluate_their_arguments(text: str, sandbox: Path) -> None:
    """Accepted by the tokenizer, as its words are plain; bash still runs c1, so no pattern may allow it."""
    del sandbox
    name = text.split(maxsplit=1)[0]
    assert isinstance(tokenize(text), Line)
    assert evaluate(line(text), allows(f"{name} **"), SETTINGS, NOW).outcome is Outcome.REVIEW
