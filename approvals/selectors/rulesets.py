"""The whitelist in force: read once per version, proved against the log's root, and at each use.

A compiled ruleset is kept per process under the root that the sealed queue row names, so what is in
memory is what the log bound. The rules that decide a command are read again from their database at
that moment: a row that changed there sends the command to a human.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from accounts.models import Organization
from approvals.domain.request import parse_time
from approvals.models import QueueState
from approvals.whitelist.domain.canonical_rule import leaf, root
from approvals.whitelist.domain.limits import Limits
from approvals.whitelist.domain.model import Effect, Rule, RuleKind, Scope, Settings
from approvals.whitelist.domain.rules import CompiledRules, compile_rules
from approvals.whitelist.selectors import get_documents, list_documents
from core import canonical, keys
from core.fields import DecryptionError

logger = logging.getLogger(__name__)
EMPTY_ROOT = root([])


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One version of an organization's rules, compiled, with the leaf of each rule."""

    version: int
    root: str
    rules: dict[str, Rule]
    compiled: CompiledRules
    leaves: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why no rule may decide now: everything goes to humans. `tampered`: somebody changed the rules."""

    reason: str
    tampered: bool = False


_rulesets: dict[UUID, Ruleset] = {}


def get_ruleset(queue: QueueState) -> Ruleset | Unavailable:
    """Return the rules in force. The queue row was checked by the caller."""
    if queue.pending_version is not None:
        return Unavailable("a change of the whitelist is under way")
    held = _rulesets.get(queue.organization_id)
    if held is not None and held.root == queue.whitelist_root:
        return held
    if held is not None and held.version >= queue.whitelist_version:
        return Unavailable("the whitelist went back to an older version", tampered=True)
    loaded = load_ruleset(queue.organization_id, queue.whitelist_version)
    if isinstance(loaded, Unavailable):
        return loaded
    if not keys.equal(loaded.root, queue.whitelist_root):
        return Unavailable("the whitelist is not the one that the audit log names", tampered=True)
    _rulesets[queue.organization_id] = loaded
    return loaded


def load_ruleset(organization_id: UUID, version: int) -> Ruleset | Unavailable:
    """Read and compile one version from the whitelist database."""
    if version == 0:
        return Ruleset(0, EMPTY_ROOT, {}, compile_rules([]), {})
    try:
        rules = [parse_document(document) for document in list_documents(organization_id, version)]
        leaves = {rule.id: leaf(rule) for rule in rules}
    except (DecryptionError, canonical.CanonicalError, KeyError, TypeError, ValueError) as error:
        logger.critical("organization %s: a whitelist rule cannot be read: %s", organization_id, error)
        return Unavailable("a whitelist rule cannot be read", tampered=True)
    except DatabaseError:
        logger.exception("the whitelist database is not available")
        return Unavailable("the whitelist database is not available")
    by_id = {rule.id: rule for rule in rules}
    return Ruleset(version, root(leaves.values()), by_id, compile_rules(rules), leaves)


def check_rules(organization_id: UUID, ruleset: Ruleset, rule_ids: Iterable[str]) -> Unavailable | None:
    """Return why the rules are not stored now as they were when the ruleset was proved, or None. One query."""
    wanted = list(rule_ids)
    try:
        stored = get_documents(organization_id, wanted, ruleset.version)
        same = all(
            rule_id in stored and keys.equal(leaf(parse_document(stored[rule_id])), ruleset.leaves[rule_id])
            for rule_id in wanted
        )
    except (DecryptionError, canonical.CanonicalError, KeyError, TypeError, ValueError):
        same = False
    except DatabaseError:
        logger.exception("the whitelist database is not available")
        return Unavailable("the whitelist database is not available")
    return None if same else Unavailable("a whitelist rule was changed behind the audit log", tampered=True)


def parse_document(document: dict[str, Any]) -> Rule:
    """Rebuild a rule from its document.

    Raises:
        KeyError, TypeError, ValueError: it is not one that `rule_document` wrote.
    """
    scope = document["scope"]
    expires_at = document["expires_at"]
    return Rule(
        id=document["id"],
        kind=RuleKind(document["kind"]),
        effect=Effect(document["effect"]),
        pattern=document["pattern"],
        scope=Scope(
            agents=tuple(scope["agents"]),
            hosts=tuple(scope["hosts"]),
            users=tuple(scope["users"]),
            cwds=tuple(scope["cwds"]),
        ),
        expires_at=None if expires_at is None else parse_time(expires_at),
        max_uses=document["max_uses"],
        reason=document["reason"],
        should_match=tuple(document["should_match"]),
        should_not_match=tuple(document["should_not_match"]),
    )


def matching_settings(organization: Organization) -> Settings:
    """Return the organization's settings for the matcher."""
    directories = organization.trusted_directories
    if not isinstance(directories, list) or not directories:
        directories = settings.TRUSTED_DIRECTORIES
    return Settings(
        trusted_directories=tuple(directories),
        allow_unbound_plain_names=organization.allow_unbound_names,
        limits=Limits(max_bytes=settings.MATCH_MAX_BYTES),
    )


def forget_rulesets() -> None:
    """Drop what this process remembers (tests, and a restored database)."""
    _rulesets.clear()
