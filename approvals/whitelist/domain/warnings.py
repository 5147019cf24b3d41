"""What saving a rule should ask about first, and whether a rule's own examples hold.

Rules: design section 9. A warning shows one concrete command that the rule would let through;
it never blocks. The examples of a rule do: a rule whose examples fail is not saved.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from approvals.whitelist.domain.compiled import exact_argv
from approvals.whitelist.domain.dangers import DANGERS, GIT_DANGERS, SHELL_DANGERS, WRAPPER_DANGERS, Danger
from approvals.whitelist.domain.model import Effect, Rule, RuleKind
from approvals.whitelist.domain.patterns import (
    Partial,
    Pattern,
    PatternError,
    Token,
    Wild,
    compile_pattern,
    match_tokens,
)
from approvals.whitelist.domain.programs import BUILTINS, HARMLESS_BUILTINS, SHELLS, WRAPPERS, base_name, deny_key
from approvals.whitelist.domain.words import Line, quote_argv, tokenize

_FIRST_ARGUMENT = WRAPPERS - {"find", "fd", "ssh", "docker", "podman", "kubectl"}
"""Here only a wildcard straight after the program lets another program in."""


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 -- the word that the page uses
    """One thing to ask about: what the rule lets through, by an example that it matches."""

    message: str
    example: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For a page: the message, with the example in canonical quoting."""
        return f"{self.message}: {quote_argv(self.example)}" if self.example else self.message


class Expectation(StrEnum):
    """Which list an example stands in."""

    SHOULD_MATCH = "should match"
    SHOULD_NOT_MATCH = "should not match"


@dataclass(frozen=True, slots=True)
class FailedExample:
    """An example that the rule does not do as it says, and why."""

    example: str
    expectation: Expectation
    why: str


def warnings(rule: Rule) -> tuple[Warning, ...]:
    """Everything to ask about before this rule is saved. A rule that does not compile has none."""
    if rule.kind == RuleKind.EXACT:
        return tuple(_exact_warnings(rule))
    if rule.kind != RuleKind.ARGV_GLOB or rule.effect == Effect.DENY:
        return ()
    pattern = compile_pattern(rule.pattern)
    return () if isinstance(pattern, PatternError) else tuple(_pattern_warnings(pattern))


def check_examples(rule: Rule) -> tuple[FailedExample, ...]:
    """The examples that fail. Empty means that every example holds."""
    return (
        *_failures(rule, rule.should_match, Expectation.SHOULD_MATCH),
        *_failures(rule, rule.should_not_match, Expectation.SHOULD_NOT_MATCH),
    )


def _failures(rule: Rule, examples: tuple[str, ...], expectation: Expectation) -> Iterator[FailedExample]:
    wanted = expectation is Expectation.SHOULD_MATCH
    for example in examples:
        outcome = _matches(rule, example)
        if isinstance(outcome, PatternError):
            yield FailedExample(example, expectation, outcome.message)
        elif outcome != wanted:
            yield FailedExample(example, expectation, "it matches" if outcome else "it does not match")


def _matches(rule: Rule, example: str) -> bool | PatternError:
    """Whether the rule matches an example. A line that is not plain is matched by no pattern."""
    line = tokenize(example)
    if rule.kind == RuleKind.EXACT:
        same_argv = isinstance(line, Line) and line.argvs == (exact_argv(rule.pattern),)
        return example == rule.pattern or same_argv
    if rule.kind != RuleKind.ARGV_GLOB:
        return PatternError(f"rules of kind {rule.kind} are not supported", 0)
    pattern = compile_pattern(rule.pattern, literal_program=rule.effect != Effect.DENY)
    if isinstance(pattern, PatternError):
        return pattern
    if not isinstance(line, Line):
        return False
    if rule.effect == Effect.DENY:
        return any(_denies(pattern, argv) for argv in line.argvs)
    return all(pattern.matches(argv) for argv in line.argvs)


def _denies(pattern: Pattern, argv: tuple[str, ...]) -> bool:
    if pattern.program is None:
        return pattern.matches(argv)
    return deny_key(pattern.program) == deny_key(argv[0]) and match_tokens(pattern.tokens[1:], argv[1:])


def _exact_warnings(rule: Rule) -> Iterator[Warning]:
    if rule.effect == Effect.DENY and exact_argv(rule.pattern) is None:
        yield Warning("an exact deny rule on more than one plain command is avoided by one more space")


def _pattern_warnings(pattern: Pattern) -> Iterator[Warning]:
    program = pattern.program or ""
    name = base_name(program)
    if program in BUILTINS - HARMLESS_BUILTINS:
        yield Warning(
            f"{program} is a builtin: in a shell line no pattern approves it beside other commands, if at all"
        )
    shown: set[str] = set()
    for tail, what in _dangers(name, pattern.tokens):
        example = next(_examples(pattern, tail, only_first=name in _FIRST_ARGUMENT), None)
        if example is not None and what not in shown:
            shown.add(what)
            yield Warning(f"it would let this through too ({what})", example)
    if not shown and Wild.ANY in pattern.tokens:
        example = _fill(pattern.tokens, {})
        yield Warning("** also stands for options, whatever they make the program do", (*example, "--any-option"))


def _dangers(name: str, tokens: tuple[Token, ...]) -> tuple[Danger, ...]:
    if name == "git" and len(tokens) > 1 and isinstance(tokens[1], str) and not tokens[1].startswith("-"):
        return GIT_DANGERS.get(tokens[1], ())
    known = DANGERS.get(name) or DANGERS.get(name.rstrip("0123456789."))
    if known is not None:
        return known
    if name in SHELLS:
        return SHELL_DANGERS
    return WRAPPER_DANGERS if name in WRAPPERS else ()


def _examples(pattern: Pattern, tail: tuple[str, ...], *, only_first: bool) -> Iterator[tuple[str, ...]]:
    """Commands that the pattern matches and that hold these arguments where it has a wildcard."""
    tokens = pattern.tokens
    for start in range(1, min(2, len(tokens)) if only_first else len(tokens)):
        window = tokens[start : start + len(tail)]
        if tokens[start] is Wild.ANY:
            yield from _verified(pattern, _fill(tokens, {start: tail}))
        elif len(window) == len(tail) and any(not isinstance(token, str) for token in window):
            places: dict[int, tuple[str, ...]] = {start + offset: (word,) for offset, word in enumerate(tail)}
            yield from _verified(pattern, _fill(tokens, places))
        elif Wild.ANY in window:  # `sh -c **`: the tail runs on into the wildcard
            stop = window.index(Wild.ANY)
            inside: dict[int, tuple[str, ...]] = {start + at: (tail[at],) for at in range(stop)}
            yield from _verified(pattern, _fill(tokens, inside | {start + stop: tail[stop:]}))


def _verified(pattern: Pattern, argv: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if pattern.matches(argv):
        yield argv


def _fill(tokens: tuple[Token, ...], places: dict[int, tuple[str, ...]]) -> tuple[str, ...]:
    """An argv with the given words in the given places, and stand-ins for other wildcards."""
    words: list[str] = []
    for index, token in enumerate(tokens):
        if isinstance(token, str):
            words.extend(places.get(index, (token,)))
        else:
            words.extend(places[index] if index in places else _stand_in(token))
    return tuple(words)


def _stand_in(token: Wild | Partial) -> tuple[str, ...]:
    if isinstance(token, Partial):
        return ("/".join("x".join(component) for component in token.components),)
    return {Wild.ANY: (), Wild.ONE: ("x",), Wild.OPTION: ("-x",)}[token]
