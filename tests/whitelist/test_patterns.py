"""argv-globs: what each wildcard stands for, what does not compile, how much work matching is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.whitelist.domain import patterns
from approvals.whitelist.domain.patterns import Pattern, PatternError, compile_pattern
from approvals.whitelist.domain.propose import quote_pattern

CASES = [
    ("ls", ["ls"], True), ("ls", ["ls", "x"], False), ("ls", ["/bin/ls"], False), ("ls", ["ls", ""], False),
    ("git *", ["git", "log"], True), ("git *", ["git", "-p"], False), ("git *", ["git", ""], False), ("git *", ["git"], False),
    ("git *", ["git", "a", "b"], False), ("git * *", ["git", "a", "b"], True), ("git *", ["git", "a b/c"], True),
    ("git -*", ["git", "-c"], True), ("git -*", ["git", "--"], True), ("git -*", ["git", "x"], False), ("git -*", ["git"], False),
    ("git **", ["git"], True), ("git **", ["git", "-c", "core.pager=x", "log"], True), ("git **", ["git", ""], True),
    ("a ** x ** y", ["a", "x", "y"], True), ("a ** x ** y", ["a", "y", "x"], False), ("a ** x", ["a", "x", "x"], True),
    ("pytest test_*.py", ["pytest", "test_a.py"], True), ("pytest test_*.py", ["pytest", "test_a/b.py"], False),
    ("pytest test_*.py", ["pytest", "test_.py"], True), ("pytest test_*.py", ["pytest", "test_a.pyc"], False),
    ("cat *.txt", ["cat", "a.txt"], True), ("cat *.txt", ["cat", "-a.txt"], False), ("cat *.txt", ["cat", ".txt"], False),
    ("cat src/*", ["cat", "src/a"], True), ("cat src/*", ["cat", "src/.."], False), ("cat src/*", ["cat", "src/a/b"], False),
    ("cat src/*/x", ["cat", "src/../x"], False), ("cat src/*/x", ["cat", "src/a/x"], True), ("cat src/.*", ["cat", "src/.."], False),
    ("cat a*b*c", ["cat", "aXbXc"], True), ("cat a*b*c", ["cat", "ac"], False), ("cat aa*aa", ["cat", "aaa"], False),
    ("x --a=*", ["x", "--a=b"], True), ("x --a=*", ["x", "--a=b/c"], False), ("x -a*b", ["x", "-ab"], True),
    ("echo '*'", ["echo", "*"], True), ("echo '*'", ["echo", "x"], False), ('echo "*"', ["echo", "x"], False), ("echo \\*", ["echo", "x"], False),
    ("echo '**'", ["echo", "x", "y"], False), ("echo a'*'b", ["echo", "a*b"], True), ("echo 'a b'", ["echo", "a b"], True),
    ("echo ''", ["echo", ""], True), ('echo "a\\"b"', ["echo", 'a"b'], True),
]  # fmt: skip
ERRORS = [
    ("", 0), ("   ", 0), ("* x", 0), ("-* x", 0), ("ls*", 0), ("'' x", 0), ("a ***", 2), ("a b**", 2), ("a $x", 2), ("a b|c", 3),
    ("a 'x", 2), ('a "x', 2), ("a \\", 2), ('a "$x"', 3), ("a ~/x", 2), ("a ?", 2), ("a [b]", 2), ("if x", 0), ("a\u00a0b", 1), ("a\nb", 1),
    ("a {b}", 2), ('a "\\n"', 3), ("a " + "b " * 256, 0),
]  # fmt: skip


def compiled(text: str) -> Pattern:
    pattern = compile_pattern(text)
    assert isinstance(pattern, Pattern), pattern
    return pattern


@pytest.mark.parametrize(("text", "argv", "fits"), CASES, ids=lambda value: ascii(value))
def test_wildcards(text: str, argv: list[str], fits: bool) -> None:
    assert compiled(text).matches(argv) is fits


@pytest.mark.parametrize(("text", "position"), ERRORS, ids=lambda value: ascii(value)[:20])
def test_errors_name_the_position(text: str, position: int) -> None:
    error = compile_pattern(text)
    assert isinstance(error, PatternError)
    assert error.position == position
    assert f"position {position}" in error.message


def test_a_deny_pattern_may_have_any_program() -> None:
    assert isinstance(compile_pattern("** --force", literal_program=False), Pattern)


@given(st.lists(st.text("ab*?-'\"\\$ ~{\u00e9=", max_size=5), max_size=4))
def test_a_quoted_pattern_matches_its_argv_alone(arguments: list[str]) -> None:
    pattern = compiled(quote_pattern(("x", *arguments)))
    assert pattern.literal == ("x", *arguments)


TOKENS = {"a": "a", "b": "b", "*": "*", "**": "**", "-*": "-*"}


def slowly(tokens: list[str], words: list[str]) -> bool:
    """The definition, by trying everything."""
    if not tokens:
        return not words
    head, rest = tokens[0], tokens[1:]
    if head == "**":
        return any(slowly(rest, words[cut:]) for cut in range(len(words) + 1))
    if not words:
        return False
    fits = {"*": bool(words[0]) and words[0][:1] != "-", "-*": words[0][:1] == "-"}.get(head, head == words[0])
    return fits and slowly(rest, words[1:])


@given(st.lists(st.sampled_from(list(TOKENS)), max_size=6), st.lists(st.sampled_from(["a", "b", "", "-a"]), max_size=6))
def test_against_a_slow_second_implementation(tokens: list[str], words: list[str]) -> None:
    assert compiled(" ".join(["x", *tokens])).matches(["x", *words]) == slowly(tokens, words)


def test_matching_is_bounded_by_words_times_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = patterns._fits

    def counting(token: patterns.Token, word: str) -> bool:
        nonlocal steps
        steps += 1
        return real(token, word)

    monkeypatch.setattr(patterns, "_fits", counting)
    pattern = compiled("x " + "** a " * 100 + "b")
    words = ["x"] + ["a"] * 1000
    assert not pattern.matches(words)
    assert steps <= len(pattern.tokens) * len(words)


def test_many_stars_in_a_word_do_not_backtrack() -> None:
    assert not compiled("x " + "*a" * 200 + "b").matches(["x", "a" * 16_000])
