"""What the matcher takes and gives: rules, the command, the settings, the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from approvals.whitelist.domain.limits import DEFAULT_LIMITS, Limits
from approvals.whitelist.domain.shell import ParsedLine


class RuleKind(StrEnum):
    """How a rule's pattern is read. A kind that `compiled.py` does not compile never matches."""

    EXACT = "exact"
    ARGV_GLOB = "argv_glob"
    REGEX = "regex"


class Effect(StrEnum):
    """What a match does."""

    ALLOW = "allow"
    DENY = "deny"


class Form(StrEnum):
    """The two intake forms of a command."""

    ARGV = "argv"
    SHELL = "shell"


class Outcome(StrEnum):
    """What the rules say about a command; `review` is for humans."""

    ALLOW = "allow"
    DENY = "deny"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule holds. An empty tuple means anywhere; a cwd ending in `/**` means it and below."""

    agents: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    cwds: tuple[str, ...] = ()


ANYWHERE = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One whitelist rule. Examples are shell lines of one command, in the strict syntax."""

    id: str
    kind: RuleKind
    effect: Effect
    pattern: str
    scope: Scope = ANYWHERE
    expires_at: datetime | None = None
    max_uses: int | None = None
    uses: int = 0
    reason: str = ""
    should_match: tuple[str, ...] = ()
    should_not_match: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One command as the client sent it: what its digest binds (docs: formats, section 1)."""

    agent_id: str
    form: Form
    argv: tuple[str, ...] | None = None
    command: str | None = None
    shell: str | None = None
    exe: str | None = None
    cwd: str = "/"
    env: Mapping[str, str | None] = field(default_factory=dict)
    user: str = ""
    host: str = ""
    stdin: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An organization's settings for rules."""

    trusted_directories: tuple[str, ...] = (
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    )
    allow_unbound_plain_names: bool = True
    safe_env_names: frozenset[str] = frozenset(["TERM", "LANG", "TZ", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES"])
    safe_env_prefixes: tuple[str, ...] = ("LC_",)
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class SegmentVerdict:
    """One simple command and the allow rule that let it through, or why none did."""

    argv: tuple[str, ...]
    rule_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say. `reasons` are words for humans, never empty."""

    outcome: Outcome
    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()
    """Ids of the rules that decided, each once; for a review, of those that matched a part."""
    segments: tuple[SegmentVerdict, ...] = ()
    uses: tuple[tuple[str, int], ...] = ()
    """For `allow`: how many uses of each rule this approval takes (one for each part it matched)."""
    parsed: ParsedLine | None = None
