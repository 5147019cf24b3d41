"""Rules compiled once, and indexed so that a command is tried on few of them.

Allow rules: literal ones by the whole argv, others by argv[0] and argv[1] where both are
literal, or by argv[0]. Deny rules: by base name, since they match however a program is reached.
A rule that does not compile is kept as a `BrokenRule`: an allow rule then matches nothing, and a
deny rule sends every command to a human, as nobody knows what it was meant to stop.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from approvals.whitelist.domain.model import Effect, Rule, RuleKind
from approvals.whitelist.domain.patterns import Pattern, PatternError, compile_pattern
from approvals.whitelist.domain.programs import deny_key
from approvals.whitelist.domain.words import Line, tokenize


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule that can be tried on one argv."""

    rule: Rule
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that matches nothing, and why."""

    rule: Rule
    message: str


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """All rules of one organization."""

    lines: Mapping[str, tuple[Rule, ...]]
    """Exact allow rules by their whole text."""
    exact_argvs: Mapping[tuple[str, ...], tuple[Rule, ...]]
    """Exact allow rules by the argv that they name; for the argv form only, never part of a line."""
    argvs: Mapping[tuple[str, ...], tuple[Rule, ...]]
    """Allow patterns without a wildcard, by the one argv that they match."""
    heads: Mapping[tuple[str, str | None], tuple[Compiled, ...]]
    """Allow patterns by (argv[0], argv[1] or None)."""
    deny_heads: Mapping[str, tuple[Compiled, ...]]
    deny_anywhere: tuple[Compiled, ...]
    """Deny patterns with a wildcard for the program."""
    deny_lines: Mapping[str, tuple[Rule, ...]]
    """Exact deny rules by their whole text, spaces around it stripped."""
    broken: tuple[BrokenRule, ...]

    @property
    def denies(self) -> tuple[Rule, ...]:
        """Every deny rule that compiled."""
        compiled = [c.rule for group in (*self.deny_heads.values(), self.deny_anywhere) for c in group]
        return (*compiled, *(rule for group in self.deny_lines.values() for rule in group))


class _Builder:
    def __init__(self) -> None:
        self.lines: dict[str, list[Rule]] = {}
        self.exact_argvs: dict[tuple[str, ...], list[Rule]] = {}
        self.argvs: dict[tuple[str, ...], list[Rule]] = {}
        self.heads: dict[tuple[str, str | None], list[Compiled]] = {}
        self.deny_heads: dict[str, list[Compiled]] = {}
        self.deny_anywhere: list[Compiled] = []
        self.deny_lines: dict[str, list[Rule]] = {}
        self.broken: list[BrokenRule] = []

    def add(self, rule: Rule) -> None:
        match rule.kind, rule.effect:
            case RuleKind.EXACT, Effect.ALLOW:
                self.lines.setdefault(rule.pattern, []).append(rule)
                if (argv := exact_argv(rule.pattern)) is not None:
                    self.exact_argvs.setdefault(argv, []).append(rule)
            case RuleKind.EXACT, Effect.DENY:
                self.deny_lines.setdefault(rule.pattern.strip(), []).append(rule)
                if (argv := exact_argv(rule.pattern)) is not None:
                    self.add_deny(Compiled(rule, Pattern(rule.pattern, argv)))
            case RuleKind.ARGV_GLOB, Effect.ALLOW | Effect.DENY:
                self.add_pattern(rule)
            case _:  # regex comes here, and whatever a newer version stores
                self.broken.append(BrokenRule(rule, f"rules of kind {rule.kind} are not supported"))

    def add_pattern(self, rule: Rule) -> None:
        pattern = compile_pattern(rule.pattern, literal_program=rule.effect != Effect.DENY)
        if isinstance(pattern, PatternError):
            self.broken.append(BrokenRule(rule, pattern.message))
        elif rule.effect == Effect.DENY:
            self.add_deny(Compiled(rule, pattern))
        elif pattern.literal is not None:
            self.argvs.setdefault(pattern.literal, []).append(rule)
        elif pattern.program is not None:
            second = pattern.tokens[1]
            key = (pattern.program, second if isinstance(second, str) else None)
            self.heads.setdefault(key, []).append(Compiled(rule, pattern))

    def add_deny(self, compiled: Compiled) -> None:
        if compiled.pattern.program is None:
            self.deny_anywhere.append(compiled)
        else:
            self.deny_heads.setdefault(deny_key(compiled.pattern.program), []).append(compiled)


def exact_argv(pattern: str) -> tuple[str, ...] | None:
    """The one argv that an exact pattern names, where it is a plain single command."""
    line = tokenize(pattern)
    return line.argvs[0] if isinstance(line, Line) and len(line.argvs) == 1 else None


def compile_rules(rules: Iterable[Rule]) -> CompiledRules:
    """Compile every rule; order within a bucket is the order given."""
    builder = _Builder()
    for rule in rules:
        builder.add(rule)
    return CompiledRules(
        lines={key: tuple(group) for key, group in builder.lines.items()},
        exact_argvs={key: tuple(group) for key, group in builder.exact_argvs.items()},
        argvs={key: tuple(group) for key, group in builder.argvs.items()},
        heads={key: tuple(found) for key, found in builder.heads.items()},
        deny_heads={key: tuple(found) for key, found in builder.deny_heads.items()},
        deny_anywhere=tuple(builder.deny_anywhere),
        deny_lines={key: tuple(group) for key, group in builder.deny_lines.items()},
        broken=tuple(builder.broken),
    )
