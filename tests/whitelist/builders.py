"""Short ways to write rules and commands in these tests."""

from collections.abc import Mapping
from datetime import UTC, datetime

from approvals.whitelist.domain.rules import (
    CompiledRules,
    Effect,
    Form,
    Outcome,
    Rule,
    RuleKind,
    Settings,
    Subject,
    Verdict,
    compile_rules,
    evaluate,
)

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTINGS = Settings()


def rule(pattern: str, kind: RuleKind = RuleKind.ARGV_GLOB, effect: Effect = Effect.ALLOW, **fields: object) -> Rule:
    values = {"id": f"{effect}:{pattern}", "kind": kind, "effect": effect, "pattern": pattern, **fields}
    return Rule(**values)  # type: ignore[arg-type]


def exact(pattern: str, **fields: object) -> Rule:
    return rule(pattern, RuleKind.EXACT, **fields)  # type: ignore[arg-type]


def deny(pattern: str, kind: RuleKind = RuleKind.ARGV_GLOB, **fields: object) -> Rule:
    return rule(pattern, kind, Effect.DENY, **fields)


def allows(*patterns: str) -> CompiledRules:
    return compile_rules(rule(pattern) for pattern in patterns)


def argv(*words: str, exe: str | None = "", **fields: object) -> Subject:
    """An argv command; exe is found in /usr/bin as a client would, None is a host without it."""
    found = f"/usr/bin/{words[0]}" if exe == "" else exe
    return _subject({"form": Form.ARGV, "argv": words, "exe": found, **fields})


def line(command: str, **fields: object) -> Subject:
    """A shell line, bound to bash."""
    return _subject({"form": Form.SHELL, "command": command, "shell": "/bin/bash", "exe": "/bin/bash", **fields})


def host_line(command: str, **fields: object) -> Subject:
    """A shell line that a host runs itself."""
    return _subject({"form": Form.SHELL, "command": command, **fields})


def _subject(fields: Mapping[str, object]) -> Subject:
    defaults = {"agent_id": "agent-1", "cwd": "/srv/app", "user": "ci", "host": "build-1"}
    return Subject(**{**defaults, **fields})  # type: ignore[arg-type]


def judge(subject: Subject, *rules: Rule, settings: Settings = SETTINGS) -> Verdict:
    return evaluate(subject, compile_rules(rules), settings, NOW)


def outcome(subject: Subject, *rules: Rule, settings: Settings = SETTINGS) -> Outcome:
    verdict = judge(subject, *rules, settings=settings)
    assert verdict.reasons, "a verdict always says why"
    return verdict.outcome
