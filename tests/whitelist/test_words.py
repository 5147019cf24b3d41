"""The two readers of a line, each by itself: either alone has to stop what is not plain."""

import pytest

from approvals.whitelist.domain import shell
from approvals.whitelist.domain.limits import DEFAULT_LIMITS
from approvals.whitelist.domain.shell import ParsedLine, parse_line
from approvals.whitelist.domain.words import Line, Operator, Rejected, tokenize
from tests.whitelist.test_attacks import PLAIN, SHELL_ATTACKS

# What both must refuse; the rest of the attacks is plain in syntax, or only one reader's concern.
SYNTAX = [*SHELL_ATTACKS[31], *SHELL_ATTACKS[32], "FOO=bar git", "A=b", "ls &", "(ls)", "{ ls; }", "! ls", "ls |& cat"]
SYNTAX += [text for text in SHELL_ATTACKS[38] if text not in {"echo !!", 'echo "!!"', "echo =ls"}]
STRICT_ONLY = [
    "ls\nid", "ls\tid", "ls\rid", "ls\\\nid", "ls;", ";ls", "ls &&", "ls;;id", "echo !!", 'echo "!!"', "echo =ls", "a+=b ls", "time ls",
    "coproc ls", "if", "'if' x", "'A=b' ls", "-x", "'a b'", "''", "l\u0455", 'echo "a\\nb"', "echo \\", "echo 'x", 'echo "x', 'echo "x\\', "",
    "   ", "echo a]", "echo a}", "echo \\\u00e9", "%1", "ls & id", "ls &&& id", "ls ||| id", "HEAD~1", "echo HEAD~1", "noglob ls", "- ls",
]  # fmt: skip


@pytest.mark.parametrize("text", [*SYNTAX, *STRICT_ONLY], ids=ascii)
def test_the_tokenizer_refuses(text: str) -> None:
    rejected = tokenize(text)
    assert isinstance(rejected, Rejected)
    assert rejected.reason
    assert 0 <= rejected.position <= len(text)


@pytest.mark.parametrize("text", SYNTAX, ids=ascii)
def test_the_grammar_finds_it_rich(text: str) -> None:
    parsed = parse_line(text, DEFAULT_LIMITS)
    assert isinstance(parsed, ParsedLine)
    assert parsed.notes or not parsed.complete


@pytest.mark.parametrize("text", PLAIN, ids=ascii)
def test_both_read_plain_lines_alike(text: str) -> None:
    accepted, parsed = tokenize(text), parse_line(text, DEFAULT_LIMITS)
    assert isinstance(accepted, Line)
    assert isinstance(parsed, ParsedLine)
    assert not parsed.notes
    assert tuple(segment.argv for segment in parsed.segments) == accepted.argvs
    assert parsed.operators == accepted.operators


def test_words_and_operators() -> None:
    text = r"""a 'b  c'"d\"\\\$e"\ f''&&b||c ;d|e "" x=y a#b"""
    assert tokenize(text) == Line(
        (("a", 'b  cd"\\$e f'), ("b",), ("c",), ("d",), ("e", "", "x=y", "a#b")),
        (Operator.AND, Operator.OR, Operator.THEN, Operator.PIPE),
    )


def test_the_reason_names_the_place() -> None:
    assert tokenize("echo ab$c") == Rejected("a variable or substitution", 7)
    assert tokenize("ls; A=b x") == Rejected("an assignment in front of a command", 4)


@pytest.mark.parametrize(
    "other", [Line((("ls", "y"),), ()), Line((("ls",), ("x",)), (Operator.THEN,)), Line((("ls x",),), ())]
)
def test_readers_that_disagree_need_a_human(monkeypatch: pytest.MonkeyPatch, other: Line) -> None:
    assert isinstance(shell.agree("ls x", DEFAULT_LIMITS), shell.Agreed)
    monkeypatch.setattr(shell, "tokenize", lambda _line: other)
    reading = shell.agree("ls x", DEFAULT_LIMITS)
    assert isinstance(reading, shell.NeedsHuman)
    assert reading.reasons == ("the two readers of the line do not agree",)


@pytest.mark.parametrize("text", ["ls $x", "ls > x", "ls {a,b}", "ls &"])
def test_a_note_of_the_grammar_is_enough(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    parsed = parse_line(text, DEFAULT_LIMITS)
    assert isinstance(parsed, ParsedLine)
    careless = Line(tuple(tuple(word.value for word in one.words) for one in parsed.segments), parsed.operators)
    monkeypatch.setattr(shell, "tokenize", lambda _line: careless)
    assert isinstance(shell.agree(text, DEFAULT_LIMITS), shell.NeedsHuman)
