"""Where and how long a rule holds."""

import posixpath
from datetime import datetime

from approvals.whitelist.domain.model import Rule, Scope, Subject

_BELOW = "/**"


def in_force(rule: Rule, now: datetime) -> bool:
    """Whether the rule has not expired; at `expires_at` it already has."""
    return rule.expires_at is None or now < rule.expires_at


def has_uses(rule: Rule, taken: int) -> bool:
    """Whether an allow rule has a use left beside `taken`. Uses never wear out a deny rule."""
    return rule.max_uses is None or rule.uses + taken < rule.max_uses


def in_scope(scope: Scope, subject: Subject) -> bool:
    """Whether every part of the scope that is set names this subject."""
    return (
        _names(scope.agents, subject.agent_id)
        and _names(scope.hosts, subject.host)
        and _names(scope.users, subject.user)
        and (not scope.cwds or any(_covers(cwd, posixpath.normpath(subject.cwd)) for cwd in scope.cwds))
    )


def _names(allowed: tuple[str, ...], value: str) -> bool:
    return not allowed or value in allowed


def _covers(scope_cwd: str, cwd: str) -> bool:
    """`/srv/app` is that directory alone; `/srv/app/**` is it and everything below."""
    if not scope_cwd.endswith(_BELOW):
        return cwd == scope_cwd
    top = scope_cwd.removesuffix(_BELOW)
    return cwd == top or cwd.startswith(top + "/")
