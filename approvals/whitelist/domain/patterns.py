r"""argv-globs: patterns over a list of arguments.

    word     itself                      '…' "…" \x quote, as in words.py
    *        exactly one argument: not empty, not beginning with `-`
    -*       exactly one argument beginning with `-` (so `-`, `--` and `--a=b` too)
    **       any number of arguments of any kind, none included
    a*b      one argument; `*` inside a word stands for any characters of one path component

Inside a word `*` matches neither `/`, nor a leading dot of a component (so never `..`), and an
argument that begins with `-` matches only where the pattern's own literal start says so.
Matching is a walk of the set of reachable pattern positions: words times pattern words, whatever
the number of `**`; inside one word it is the two-pointer glob, never backtracking further than
the last `*`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NoReturn

from approvals.whitelist.domain.characters import hidden_characters
from approvals.whitelist.domain.words import RESERVED

MAX_PATTERN_WORDS = 256
_MUST_QUOTE = frozenset("$`;|&<>(){}[]?")
_ESCAPED_IN_DOUBLE = frozenset('\\"$`*')


class Wild(Enum):
    """Whole-word wildcards, and the `*` inside a word."""

    ONE = "*"
    OPTION = "-*"
    ANY = "**"


Piece = str | None
"""A literal character run of a partial word, or None for `*`."""


@dataclass(frozen=True, slots=True)
class Partial:
    """A word with `*` inside, by path component: each is the literals between its stars."""

    components: tuple[tuple[str, ...], ...]

    def matches(self, argument: str) -> bool:
        """Whether one argument fits, component by component."""
        if argument.startswith("-") and not self.components[0][0].startswith("-"):
            return False
        parts = argument.split("/")
        return len(parts) == len(self.components) and all(map(_component_matches, self.components, parts))


Token = str | Wild | Partial


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled argv-glob."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def program(self) -> str | None:
        """argv[0] where it is literal."""
        head = self.tokens[0]
        return head if isinstance(head, str) else None

    @property
    def literal(self) -> tuple[str, ...] | None:
        """The only argv that it matches, where it has no wildcard."""
        words = tuple(token for token in self.tokens if isinstance(token, str))
        return words if len(words) == len(self.tokens) else None

    def matches(self, argv: Sequence[str]) -> bool:
        """Whether the whole argv fits."""
        return match_tokens(self.tokens, argv)


@dataclass(frozen=True, slots=True)
class PatternError:
    """Why a text is not a pattern, and where (code points from 0)."""

    message: str
    position: int


@dataclass(frozen=True, slots=True)
class _Bad(Exception):  # noqa: N818 -- carries a typed outcome, never leaves this module
    error: PatternError


def compile_pattern(text: str, *, literal_program: bool = True) -> Pattern | PatternError:
    """Compile; `literal_program` (every allow rule) refuses a wildcard in the program's place."""
    findings = hidden_characters(text)
    if findings:
        return PatternError(findings[0].reason, findings[0].index)
    try:
        tokens = _tokens(text)
    except _Bad as bad:
        return bad.error
    if not 0 < len(tokens) <= MAX_PATTERN_WORDS:
        return PatternError(f"a pattern has 1 to {MAX_PATTERN_WORDS} words (position 0)", 0)
    head = tokens[0]
    if literal_program and (not isinstance(head, str) or not head):
        return PatternError("the program must be named, without a wildcard (position 0)", 0)
    if isinstance(head, str) and head in RESERVED:
        return PatternError(f"{head} is a reserved word of the shell, not a program (position 0)", 0)
    return Pattern(text, tokens)


def match_tokens(tokens: Sequence[Token], words: Sequence[str | None]) -> bool:
    """Whether the words fit. A None is unknown and may be any number of any words (deny rules)."""
    reachable = _skip_any(tokens, {0})
    for word in words:
        if not reachable:
            return False
        if word is None:
            reachable = set(range(min(reachable), len(tokens) + 1))
            continue
        following = {
            at if tokens[at] is Wild.ANY else at + 1 for at in reachable if at < len(tokens) and _fits(tokens[at], word)
        }
        reachable = _skip_any(tokens, following)
    return len(tokens) in reachable


def _skip_any(tokens: Sequence[Token], reachable: set[int]) -> set[int]:
    """`**` may stand for nothing: what follows it is reachable too."""
    for at in sorted(reachable):
        following = at
        while following < len(tokens) and tokens[following] is Wild.ANY and following + 1 not in reachable:
            following += 1
            reachable.add(following)
    return reachable


def _fits(token: Token, word: str) -> bool:
    if isinstance(token, str):
        return token == word
    if isinstance(token, Partial):
        return token.matches(word)
    if token is Wild.ONE:
        return bool(word) and not word.startswith("-")
    return token is Wild.ANY or word.startswith("-")


def _component_matches(literals: tuple[str, ...], part: str) -> bool:
    """`literals` are the texts between the stars of one component; one literal means no star."""
    if len(literals) == 1:
        return literals[0] == part
    first, *middle, last = literals
    hidden = part.startswith(".") and (part in {".", ".."} or not first.startswith("."))
    if hidden or len(part) < len(first) + len(last):
        return False
    if not part.startswith(first) or not part.endswith(last):
        return False
    at, end = len(first), len(part) - len(last)
    for literal in middle:
        found = part.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return True


def _tokens(text: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        pieces, end = _word(text, at)
        tokens.append(_token(pieces, at))
        at = end
    return tuple(tokens)


def _word(text: str, start: int) -> tuple[list[Piece], int]:
    """The pieces of the word that begins here, and where it ends."""
    pieces: list[Piece] = []
    at = start
    while at < len(text) and text[at] != " ":
        character = text[at]
        if character == "'":
            piece, at = _single_quoted(text, at)
        elif character == '"':
            piece, at = _double_quoted(text, at)
        elif character == "\\":
            if at + 1 == len(text):
                _fail("a backslash at the end", at)
            piece, at = text[at + 1], at + 2
        elif character == "*":
            pieces.append(None)
            at += 1
            continue
        else:
            if character in _MUST_QUOTE or (character == "~" and at == start):
                _fail(f"{character} must be quoted: here it would stand for itself", at)
            piece, at = character, at + 1
        pieces.append(piece)
    return pieces, at


def _single_quoted(text: str, start: int) -> tuple[str, int]:
    end = text.find("'", start + 1)
    if end < 0:
        _fail("an unclosed single quote", start)
    return text[start + 1 : end], end + 1


def _double_quoted(text: str, start: int) -> tuple[str, int]:
    parts: list[str] = []
    at = start + 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
            if text[at : at + 1] not in _ESCAPED_IN_DOUBLE:
                _fail("an unusual backslash inside double quotes", at - 1)
        elif text[at] in "$`":
            _fail(f"{text[at]} inside double quotes needs a backslash", at)
        parts.append(text[at])
        at += 1
    if at >= len(text):
        _fail("an unclosed double quote", start)
    return "".join(parts), at + 1


def _token(pieces: list[Piece], at: int) -> Token:
    if None not in pieces:
        return "".join(piece for piece in pieces if piece is not None)
    if pieces == [None]:
        return Wild.ONE
    if pieces == [None, None]:
        return Wild.ANY
    if pieces == ["-", None]:
        return Wild.OPTION
    if any(first is None and second is None for first, second in pairwise(pieces)):
        _fail("** stands alone: put spaces around it", at)
    components: list[list[str]] = [[""]]
    for piece in pieces:
        if piece is None:
            components[-1].append("")
            continue
        head, *rest = piece.split("/")
        components[-1][-1] += head
        components.extend([part] for part in rest)
    return Partial(tuple(tuple(component) for component in components))


def _fail(message: str, at: int) -> NoReturn:
    raise _Bad(PatternError(f"{message} (position {at})", at))
