"""Deny rules, tried on the widest reading of a command.

Rules: design section 9. Every simple command found anywhere in a line counts; so does what a
wrapper (env, sudo, xargs, find -exec, …) would run, taken widely as every tail of its arguments;
so does every string given to a shell, read as a line in turn. A word that only the shell knows
(`$x`, `*`, `$(…)`) may be any words: a rule that could match through one does not deny, it sends
the command to a human.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from approvals.whitelist.domain.characters import visible
from approvals.whitelist.domain.compiled import Compiled, CompiledRules
from approvals.whitelist.domain.model import Effect, Rule, Settings, Subject
from approvals.whitelist.domain.patterns import Pattern, match_tokens
from approvals.whitelist.domain.programs import STRING_RUNNERS, WRAPPERS, base_name, deny_key
from approvals.whitelist.domain.scopes import in_force, in_scope
from approvals.whitelist.domain.shell import ParsedLine, TooLong, parse_line
from approvals.whitelist.domain.words import Line, tokenize

_MAX_WORK = 500_000
"""Words times pattern words compared, before a human has to look instead; about half a second."""
_PARSE_WORK = 10
"""What a character of an inner line costs, in the same unit."""
_MAX_JOINS = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """One word as a deny rule sees it; `known` is False where only the shell knows its value."""

    value: str
    known: bool = True


# Runs as a command of no arguments, as which the tails try it already.
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./-]*")
Readings = tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Denials:
    """Deny rules that match, and what stands in the way of knowing."""

    rules: tuple[Rule, ...]
    doubts: tuple[str, ...]


@dataclass(slots=True)
class _Search:
    rules: CompiledRules
    subject: Subject
    settings: Settings
    now: datetime
    found: dict[str, Rule] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)
    left: int = _MAX_WORK

    def applies(self, rule: Rule) -> bool:
        return in_force(rule, self.now) and in_scope(rule.scope, self.subject)

    def try_at(self, words: Readings, start: int) -> None:
        """Try the command that begins at this word."""
        head = words[start]
        if not head.known:
            self.doubts["only the shell knows which program runs, and a deny rule may name it"] = None
            return
        candidates = (*self.rules.deny_heads.get(deny_key(head.value), ()), *self.rules.deny_anywhere)
        rest = words[start:] if candidates else ()
        for compiled in candidates:
            work = len(rest) * len(compiled.pattern.tokens)
            if compiled.rule.id not in self.found and self.applies(compiled.rule) and self.spend(work):
                self.try_rule(compiled, rest)

    def try_rule(self, compiled: Compiled, words: Readings) -> None:
        if _matches(compiled.pattern, words, wide=False):
            self.found[compiled.rule.id] = compiled.rule
        elif not all(word.known for word in words) and _matches(compiled.pattern, words, wide=True):
            self.doubts["a deny rule may match: " + describe(compiled.rule)] = None

    def spend(self, work: int) -> bool:
        """Bound the whole search; a command that is too much work goes to a human."""
        self.left -= work
        if self.left < 0:
            self.doubts["the command is too much work to try the deny rules on"] = None
        return self.left >= 0

    def try_line(self, text: str) -> None:
        for rule in self.rules.deny_lines.get(text.strip(), ()):
            if self.applies(rule):
                self.found[rule.id] = rule

    def read(self, commands: Iterable[Readings]) -> None:
        """Try each command and whatever it would run, with a stack of our own."""
        stack = [(words, 0) for words in commands if words]
        while stack:
            words, depth = stack.pop()
            if not self.spend(len(words)):
                return
            for start in range(len(words) if _has_tails(words) else 1):
                self.try_at(words, start)
            if _runs_strings(words):
                stack.extend((inner, depth + 1) for inner in self.inner_lines(words, depth))

    def inner_lines(self, words: Readings, depth: int) -> Iterator[Readings]:
        """The commands of every string that a shell among these words would be given."""
        if not all(word.known for word in words[1:]):
            self.doubts["a shell is given a line that is not known here"] = None
        for text in _strings_of([word.value for word in words[1:] if word.known]):
            if depth >= self.settings.limits.max_depth:
                self.doubts["shells are nested too deep"] = None
                return
            if not self.spend(_PARSE_WORK * (10 + len(text))):
                return
            self.try_line(text)
            yield from self.commands_of(text)

    def commands_of(self, text: str) -> Iterator[Readings]:
        parsed = parse_line(text, self.settings.limits)
        if isinstance(parsed, TooLong):
            self.doubts[parsed.reason] = None
            return
        if not parsed.complete:
            self.doubts["a line inside the command cannot be read"] = None
        yield from readings_of(parsed)


def find_denials(
    subject: Subject, parsed: ParsedLine | None, rules: CompiledRules, settings: Settings, now: datetime
) -> Denials:
    """Every deny rule in force that matches any part, and every doubt about one."""
    broken = [b for b in rules.broken if b.rule.effect != Effect.ALLOW]
    search = _Search(rules, subject, settings, now)
    for unreadable in broken:
        search.doubts[f"a deny rule cannot be used ({unreadable.message}): {describe(unreadable.rule)}"] = None
    if not (rules.deny_heads or rules.deny_anywhere or rules.deny_lines):
        return Denials((), tuple(search.doubts))
    if subject.command is not None:
        search.try_line(subject.command)
        search.read(_line_commands(search, subject.command, parsed))
    if subject.argv:
        search.read(_argv_readings(subject.argv, subject.exe))
    return Denials(tuple(search.found.values()), tuple(search.doubts))


def describe(rule: Rule) -> str:
    """A rule in a reason: its pattern, and its own reason where it has one."""
    return f"{visible(rule.pattern)} ({visible(rule.reason)})" if rule.reason else visible(rule.pattern)


def readings_of(parsed: ParsedLine) -> Iterator[Readings]:
    """Every simple command of a parsed line."""
    for segment in parsed.segments:
        yield tuple(Reading(word.value, word.literal) for word in segment.words)


def _line_commands(search: _Search, command: str, parsed: ParsedLine | None) -> Iterator[Readings]:
    if parsed is None:
        search.doubts["the deny rules could not be tried: the line was not read"] = None
        return
    if not parsed.complete:
        search.doubts["the deny rules could not be tried on all of the line: it is not shell syntax"] = None
    yield from readings_of(parsed)
    if "\\\n" in command:  # the shell joins such lines before it reads words; the grammar does not
        yield from search.commands_of(command.replace("\\\n", ""))
    strict = tokenize(command)
    if isinstance(strict, Line):
        yield from (tuple(map(Reading, argv)) for argv in strict.argvs)


def _argv_readings(argv: tuple[str, ...], exe: str | None) -> Iterator[Readings]:
    words = tuple(map(Reading, argv))
    yield words
    if exe is not None and deny_key(exe) != deny_key(argv[0]):
        yield (Reading(exe), *words[1:])


def _has_tails(words: Readings) -> bool:
    return not words[0].known or _named(words[0], WRAPPERS) or _named(words[0], STRING_RUNNERS)


def _runs_strings(words: Readings) -> bool:
    if _named(words[0], STRING_RUNNERS):
        return True
    return _named(words[0], WRAPPERS) and any(_named(word, STRING_RUNNERS) for word in words[1:])


def _named(word: Reading, names: frozenset[str]) -> bool:
    return word.known and (deny_key(word.value) in names or base_name(word.value) in names)


def _strings_of(values: list[str]) -> Iterator[str]:
    """What among these arguments may be a shell line: each, each option's value, and them joined."""
    for value in values:
        texts = [value] if not value.startswith("-") else [value[2:], value.partition("=")[2]]
        yield from (text for text in texts if not _PLAIN_WORD.fullmatch(text))
    # eval and ssh join their arguments; ssh has a host, and options, before them
    for start in range(min(_MAX_JOINS, len(values) - 1)):
        if any(not _PLAIN_WORD.fullmatch(value) for value in values[start:]):
            yield " ".join(values[start:])


def _matches(pattern: Pattern, words: Readings, *, wide: bool) -> bool:
    values = [word.value if word.known or not wide else None for word in words]
    if pattern.program is None:
        return match_tokens(pattern.tokens, values)
    if values[0] is not None and deny_key(values[0]) != deny_key(pattern.program):
        return False
    tail: list[str | None] = values[1:] if values[0] is not None else [None, *values[1:]]
    return match_tokens(pattern.tokens[1:], tail)
