"""How much of a command is read before it goes to a human (docs: matching commands).

Whatever is over a limit is never approved by a rule and never cut to fit.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one command. All are inclusive: the limit itself still passes."""

    max_bytes: int = 16 * 1024
    """UTF-8 bytes of a shell line, or of all arguments of an argv together."""
    max_commands: int = 50
    """Simple commands of one shell line, at any depth."""
    max_depth: int = 8
    """Nested constructs: substitutions, subshells, groups, functions, compound commands."""
    max_arguments: int = 1024
    """Words of one simple command; bounds the matcher, which is words times pattern words."""


DEFAULT_LIMITS = Limits()


def byte_length(text: str) -> int:
    """Length in UTF-8; lone surrogates count as the three bytes that they would take."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
