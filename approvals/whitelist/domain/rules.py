"""The decision of the rules on one command: allow, deny, or a human.

Rules: design section 9. In this order: a deny rule on the widest reading wins; then anything
odd about the command sends it to a human; then an exact rule on the whole, or an allow rule for
every simple command, allows; everything else goes to a human.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from approvals.whitelist.domain.characters import visible
from approvals.whitelist.domain.checks import blockers, name_blockers
from approvals.whitelist.domain.compiled import CompiledRules, compile_rules
from approvals.whitelist.domain.denials import describe, find_denials
from approvals.whitelist.domain.model import (
    ANYWHERE,
    Effect,
    Form,
    Outcome,
    Rule,
    RuleKind,
    Scope,
    SegmentVerdict,
    Settings,
    Subject,
    Verdict,
)
from approvals.whitelist.domain.programs import refused_builtin, runs_its_input
from approvals.whitelist.domain.scopes import has_uses, in_force, in_scope
from approvals.whitelist.domain.shell import Agreed, NeedsHuman, ParsedLine, agree, over_limits
from approvals.whitelist.domain.words import Operator, quote_argv

__all__ = [
    "ANYWHERE",
    "CompiledRules",
    "Effect",
    "Form",
    "Outcome",
    "Rule",
    "RuleKind",
    "Scope",
    "SegmentVerdict",
    "Settings",
    "Subject",
    "Verdict",
    "compile_rules",
    "evaluate",
]

UNBOUND_NOTE = "path not bound: the host chooses the program of that name"


@dataclass(frozen=True, slots=True)
class _Context:
    subject: Subject
    rules: CompiledRules
    settings: Settings
    now: datetime

    def usable(self, rule: Rule, used: Counter[str]) -> bool:
        """In force, in scope, and with uses left beside those that this command takes already."""
        return in_force(rule, self.now) and in_scope(rule.scope, self.subject) and has_uses(rule, used[rule.id])


def evaluate(subject: Subject, rules: CompiledRules, settings: Settings, now: datetime) -> Verdict:
    """Decide one command. Pure: the same arguments give the same verdict."""
    context = _Context(subject, rules, settings, now)
    reading = agree(subject.command, settings.limits) if subject.command is not None else None
    parsed = reading.parsed if reading is not None else None
    # 1. Deny rules come first: they win over whatever else is wrong.
    denials = find_denials(subject, parsed, rules, settings, now)
    if denials.rules:
        reasons = tuple(f"denied by a rule: {describe(rule)}" for rule in denials.rules)
        return Verdict(Outcome.DENY, reasons, tuple(rule.id for rule in denials.rules), parsed=parsed)
    # 2. What no rule may approve, and doubts about the deny rules.
    blocked = (*blockers(subject, settings), *denials.doubts)
    # 3. Allow rules.
    if reading is None:
        return _argv_verdict(context, blocked)
    return _shell_verdict(context, reading, blocked)


def _argv_verdict(context: _Context, blocked: tuple[str, ...]) -> Verdict:
    argv = context.subject.argv or ()
    segment = _match(context, argv, Counter()) if argv else SegmentVerdict((), None, "there is no command")
    return _conclude(context, (segment,), blocked, None)


def _shell_verdict(context: _Context, reading: Agreed | NeedsHuman, blocked: tuple[str, ...]) -> Verdict:
    parsed = reading.parsed
    if parsed is None:
        return Verdict(Outcome.REVIEW, tuple(dict.fromkeys((*blocked, *_reasons(reading)))))
    exact = _exact_line(context)
    if exact is not None:
        segment = SegmentVerdict((context.subject.command or "",), exact.id, "an exact rule for the whole line")
        return _conclude(context, (segment,), (*blocked, *_exact_blockers(context, parsed)), parsed)
    if isinstance(reading, NeedsHuman):
        return Verdict(Outcome.REVIEW, tuple(dict.fromkeys((*blocked, *reading.reasons))), parsed=parsed)
    names = (reason for argv in reading.argvs for reason in name_blockers(argv[0], context.subject, context.settings))
    return _conclude(context, tuple(_segments(context, reading)), (*blocked, *names), parsed)


def _segments(context: _Context, reading: Agreed) -> Iterator[SegmentVerdict]:
    """Each command with its rule. Limited rules are used up within the line as well."""
    used: Counter[str] = Counter()
    for index, argv in enumerate(reading.argvs):
        refused = refused_builtin(argv, alone=len(reading.argvs) == 1)
        if refused is None and index and reading.operators[index - 1] is Operator.PIPE and runs_its_input(argv):
            refused = f"{argv[0]} would run what is piped into it"
        if refused is not None:
            yield SegmentVerdict(argv, None, refused)
            continue
        segment = _match(context, argv, used)
        if segment.rule_id is not None:
            used[segment.rule_id] += 1
        yield segment


def _match(context: _Context, argv: tuple[str, ...], used: Counter[str]) -> SegmentVerdict:
    """The first allow rule that matches, unlimited ones first so that uses are not wasted."""
    if len(argv) > context.settings.limits.max_arguments:
        return SegmentVerdict(argv, None, "the command has too many words to match")
    usable = [rule for rule in _candidates(context, argv) if context.usable(rule, used)]
    if not usable:
        return SegmentVerdict(argv, None, f"no rule allows {visible(quote_argv(argv))}")
    rule = min(usable, key=lambda candidate: candidate.max_uses is not None)
    return SegmentVerdict(argv, rule.id, f"allowed by a rule: {describe(rule)}")


def _candidates(context: _Context, argv: tuple[str, ...]) -> Iterator[Rule]:
    rules = context.rules
    if context.subject.form is Form.ARGV:
        yield from rules.exact_argvs.get(argv, ())
    yield from rules.argvs.get(argv, ())
    second = argv[1] if len(argv) > 1 else None
    for key in dict.fromkeys(((argv[0], second), (argv[0], None))):
        yield from (compiled.rule for compiled in rules.heads.get(key, ()) if compiled.pattern.matches(argv))


def _exact_line(context: _Context) -> Rule | None:
    exact = context.rules.lines.get(context.subject.command or "", ())
    usable = [rule for rule in exact if context.usable(rule, Counter())]
    return min(usable, key=lambda rule: rule.max_uses is not None) if usable else None


def _exact_blockers(context: _Context, parsed: ParsedLine) -> Iterator[str]:
    """An exact rule accepts rich syntax, but neither damage, nor size, nor an unbound program."""
    yield from over_limits(parsed, context.settings.limits)
    if not parsed.complete:
        yield "the line is not shell syntax"
    if not parsed.segments:
        yield "the line has no command"
    for segment in parsed.segments:
        name = segment.words[0]
        if name.literal:
            yield from name_blockers(name.value, context.subject, context.settings)
        elif context.subject.exe is None and not name.value.startswith("["):
            yield f"only the shell knows what {visible(name.source)} names: path not bound"


def _reasons(reading: Agreed | NeedsHuman) -> tuple[str, ...]:
    return reading.reasons if isinstance(reading, NeedsHuman) else ()


def _conclude(
    context: _Context, segments: tuple[SegmentVerdict, ...], blocked: tuple[str, ...], parsed: ParsedLine | None
) -> Verdict:
    """Allow only with no reason against it and a rule for every part; a human otherwise."""
    counted = Counter(segment.rule_id for segment in segments if segment.rule_id is not None)
    missing = tuple(segment.reason for segment in segments if segment.rule_id is None)
    against = tuple(dict.fromkeys((*blocked, *missing)))
    if against or not segments:
        return Verdict(Outcome.REVIEW, against or ("there is no command",), tuple(counted), segments, (), parsed)
    note = (UNBOUND_NOTE,) if context.subject.exe is None else ()
    reasons = tuple(dict.fromkeys((*(segment.reason for segment in segments), *note)))
    return Verdict(Outcome.ALLOW, reasons, tuple(counted), segments, tuple(counted.items()), parsed)
