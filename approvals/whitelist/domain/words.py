"""The strict tokenizer: the part of shell grammar that means the same in every shell.

Rules: POSIX.1-2017 XCU 2.2 (quoting) and 2.3 (token recognition), cut down to plain words,
`'…'`, `"…"`, backslash and `&& || ; |`. Everything else is refused with a reason in words and
goes to a human: this reader never guesses. Refused on purpose although some shell reads it as
literal: `!` (history), a leading `=` (zsh), every unquoted tilde, `]`, `}`, other backslash
escapes inside double quotes, and an operator at the end of the line.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from approvals.whitelist.domain.characters import hidden_characters


class Operator(StrEnum):
    """What may stand between two commands."""

    AND = "&&"
    OR = "||"
    THEN = ";"
    PIPE = "|"


@dataclass(frozen=True, slots=True)
class Line:
    """An accepted line: the commands, and the operators between them (one fewer)."""

    argvs: tuple[tuple[str, ...], ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a line is not plain, and where (code points from 0)."""

    reason: str
    position: int


RESERVED = frozenset(
    # bash and POSIX, then what zsh adds
    [
        "!",
        "[[",
        "]]",
        "{",
        "}",
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "case",
        "esac",
        "for",
        "select",
        "while",
        "until",
        "do",
        "done",
        "in",
        "function",
        "time",
        "coproc",
        "-",
        "end",
        "foreach",
        "nocorrect",
        "noglob",
        "repeat",
    ]
)
_REFUSED = {
    "*": "an unquoted glob character *",
    "?": "an unquoted glob character ?",
    "[": "an unquoted glob character [",
    "]": "an unquoted glob character ]",
    "{": "an unquoted brace {",
    "}": "an unquoted brace }",
    "~": "an unquoted tilde",
    "$": "a variable or substitution",
    "`": "a command substitution",
    "<": "a redirection",
    ">": "a redirection",
    "(": "a subshell or function",
    ")": "a subshell or function",
    "!": "a negation or history expansion",
}
_REFUSED_IN_DOUBLE = {
    "$": "a variable or substitution inside double quotes",
    "`": "a command substitution inside double quotes",
    "!": "a history expansion inside double quotes",
}
_ESCAPED_IN_DOUBLE = frozenset('\\"$`')
_OPERATOR_STARTS = frozenset("&|;")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_NAME = re.compile(r"[A-Za-z0-9_./+:@-]+")
_PLAIN = re.compile(r"[A-Za-z0-9_./+:@,%-][A-Za-z0-9_./+:@,%=-]*")


class _RefusedError(Exception):
    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.rejected = Rejected(reason, position)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.argvs: list[tuple[str, ...]] = []
        self.operators: list[Operator] = []
        self.words: list[str] = []
        self.command_at = 0

    def refuse(self, reason: str, at: int | None = None) -> NoReturn:
        raise _RefusedError(reason, self.at if at is None else at)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def line(self) -> Line:
        while self.at < len(self.text):
            character = self.peek()
            if character == " ":
                self.at += 1
            elif character in _OPERATOR_STARTS:
                self.end_command()
                self.operators.append(self.operator())
            else:
                if not self.words:
                    self.command_at = self.at
                self.words.append(self.word())
        self.end_command()
        return Line(tuple(self.argvs), tuple(self.operators))

    def end_command(self) -> None:
        if not self.words:
            self.refuse("a missing command" if self.argvs or self.text.strip() else "an empty line")
        name = self.words[0]
        if _ASSIGNMENT.match(name):
            self.refuse("an assignment in front of a command", self.command_at)
        if name in RESERVED:
            self.refuse(f"the reserved word {name}", self.command_at)
        if name.startswith("-") or not _NAME.fullmatch(name):
            self.refuse("an unusual command name", self.command_at)
        self.argvs.append(tuple(self.words))
        self.words = []

    def operator(self) -> Operator:
        two = self.text[self.at : self.at + 2]
        if two in {"&&", "||"}:
            self.at += 2
            return Operator(two)
        if two == "|&":
            self.refuse("a pipe of standard error (|&)")
        if two[0] == "&":
            self.refuse("a background job (&)")
        self.at += 1
        return Operator(two[0])

    def word(self) -> str:
        if self.peek() == "#":
            self.refuse("a comment")
        if self.peek() == "=":
            self.refuse("a word that begins with =")
        parts: list[str] = []
        while self.at < len(self.text) and self.peek() != " " and self.peek() not in _OPERATOR_STARTS:
            parts.append(self.part())
        return "".join(parts)

    def part(self) -> str:
        character = self.peek()
        if character == "'":
            return self.single_quoted()
        if character == '"':
            return self.double_quoted()
        if character == "\\":
            return self.escaped()
        if character in _REFUSED:
            self.refuse(_REFUSED[character])
        self.at += 1
        return character

    def single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.refuse("an unclosed single quote")
        inner, self.at = self.text[self.at + 1 : end], end + 1
        return inner

    def double_quoted(self) -> str:
        opened = self.at
        self.at += 1
        parts: list[str] = []
        while (character := self.peek()) != '"':
            if not character:
                self.refuse("an unclosed double quote", opened)
            if character in _REFUSED_IN_DOUBLE:
                self.refuse(_REFUSED_IN_DOUBLE[character])
            if character == "\\":
                self.at += 1
                character = self.peek()
                if character not in _ESCAPED_IN_DOUBLE or not character:
                    self.refuse("an unusual backslash inside double quotes", self.at - 1)
            parts.append(character)
            self.at += 1
        self.at += 1
        return "".join(parts)

    def escaped(self) -> str:
        character = self.text[self.at + 1 : self.at + 2]
        if not character:
            self.refuse("a backslash at the end of the line")
        if not character.isascii():
            self.refuse("a backslash before a character that is not ASCII")
        self.at += 2
        return character


def tokenize(line: str) -> Line | Rejected:
    """Read a whole line, or say what in it is not plain."""
    findings = hidden_characters(line)
    if findings:
        return Rejected(findings[0].reason, findings[0].index)
    try:
        return _Scanner(line).line()
    except _RefusedError as refusal:
        return refusal.rejected


def quote_word(word: str) -> str:
    """The canonical quoting of one word: as it is where plain, in single quotes otherwise."""
    if _PLAIN.fullmatch(word):
        return word
    return _in_quotes(word)


def _in_quotes(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def quote_argv(argv: tuple[str, ...]) -> str:
    """The canonical quoting of one simple command; `tokenize` reads it back as it was."""
    name, *arguments = argv
    first = _in_quotes(name) if "=" in name else quote_word(name)  # never an assignment
    return " ".join([first, *map(quote_word, arguments)])
