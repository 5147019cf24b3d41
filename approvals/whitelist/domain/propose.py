"""What to whitelist when a reviewer approves "and every time from now on".

The proposal is the narrowest rule that lets this command through again; wider ones are offered
beside it, never in its place.
"""

from dataclasses import dataclass

from approvals.whitelist.domain.characters import hidden_characters
from approvals.whitelist.domain.limits import DEFAULT_LIMITS
from approvals.whitelist.domain.model import RuleKind, Subject
from approvals.whitelist.domain.patterns import Pattern, compile_pattern
from approvals.whitelist.domain.programs import refused_builtin
from approvals.whitelist.domain.shell import Agreed, agree
from approvals.whitelist.domain.words import quote_argv, quote_word


@dataclass(frozen=True, slots=True)
class Wider:
    """A pattern that lets more through, and what more."""

    pattern: str
    why: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule to offer."""

    kind: RuleKind
    pattern: str
    why: str
    wider: tuple[Wider, ...] = ()


@dataclass(frozen=True, slots=True)
class NoProposal:
    """No rule could let this command through, and why."""

    why: str


def quote_pattern(argv: tuple[str, ...]) -> str:
    """The argv-glob that matches this argv and nothing else."""
    return quote_argv(argv)


def propose_rule(subject: Subject) -> Proposal | NoProposal:
    """The narrowest sensible rule for a command."""
    text = "".join(subject.argv or ()) + (subject.command or "")
    if not text or hidden_characters(text):
        return NoProposal("no rule approves a command with hidden characters, or none at all")
    if subject.argv is not None:
        return _for_argv(subject.argv)
    return _for_line(subject.command or "")


def _for_argv(argv: tuple[str, ...]) -> Proposal | NoProposal:
    pattern = quote_pattern(argv)
    if not isinstance(compile_pattern(pattern), Pattern):
        return NoProposal("the program's name cannot be written in a rule")
    return Proposal(RuleKind.ARGV_GLOB, pattern, "exactly these arguments", _wider(argv))


def _for_line(line: str) -> Proposal | NoProposal:
    reading = agree(line, DEFAULT_LIMITS)
    if not isinstance(reading, Agreed):
        if reading.parsed is None or not reading.parsed.complete:
            return NoProposal("no rule approves a line that cannot be read")
        return Proposal(RuleKind.EXACT, line, "exactly this line: it is more than plain commands")
    if len(reading.argvs) > 1:
        return Proposal(RuleKind.EXACT, line, "exactly this line: several commands in this order")
    if refused_builtin(reading.argvs[0], alone=True) is not None:
        return Proposal(RuleKind.EXACT, line, "exactly this line: a builtin of the shell")
    return _for_argv(reading.argvs[0])


def _wider(argv: tuple[str, ...]) -> tuple[Wider, ...]:
    """The last path-like argument as `*`, or its file name alone."""
    for index in range(len(argv) - 1, 0, -1):
        argument = argv[index]
        if argument and not argument.startswith("-") and ("/" in argument or "." in argument):
            return tuple(_variants(argv, index))
    return ()


def _variants(argv: tuple[str, ...], index: int) -> list[Wider]:
    directory, slash, name = argv[index].rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    found = []
    if stem and dot and suffix.isalnum():
        glob = (quote_word(directory + slash) if slash else "") + "*." + suffix
        place = f"in {directory}" if slash else "in the directory"
        found.append(Wider(_with(argv, index, glob), f"any .{suffix} file {place} as argument {index}"))
    found.append(Wider(_with(argv, index, "*"), f"anything that is not an option as argument {index}"))
    return found


def _with(argv: tuple[str, ...], index: int, glob: str) -> str:
    return " ".join([*map(quote_word, argv[:index]), glob, *map(quote_word, argv[index + 1 :])])
