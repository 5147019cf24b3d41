"""Change the whitelist: intent in the log, the version in its database, applied in the log.

The two databases cannot commit together, so the log says first what is to be written, and afterwards
that it was. Between the two, and whenever the stored rules do not have the root that was applied
last, everything goes to humans. `recover_whitelist` completes or voids what was left open.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction

from accounts.domain.access import Access, require_verified
from accounts.domain.roles import Ability
from approvals.models import QueueState
from approvals.selectors.rulesets import Ruleset, Unavailable, get_ruleset, load_ruleset
from approvals.services.journal import QueueJournal
from approvals.services.queues import take_queue, take_sound_queue
from approvals.whitelist import services as store
from approvals.whitelist.domain.canonical_rule import leaf, root, rule_document
from approvals.whitelist.domain.model import Effect, Rule, RuleKind, Scope
from approvals.whitelist.domain.patterns import PatternError, compile_pattern
from approvals.whitelist.domain.warnings import Warning as RuleWarning
from approvals.whitelist.domain.warnings import check_examples, warnings
from core import keys
from core.problems import FieldError, Problem, invalid, not_found

logger = logging.getLogger(__name__)
RECOVERY_ACTOR = "system:recovery"
MAX_RULES = 10_000
PATTERN_MAX_CHARS = 16_384
REASON_MAX_CHARS = 500
EXAMPLES_MAX = 50
SCOPE_MAX = 50
SCOPE_ITEM_MAX_CHARS = 4_096


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as a person writes it."""

    kind: str
    effect: str
    pattern: str
    reason: str
    agents: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    cwds: tuple[str, ...] = ()
    expires_at: datetime | None = None
    max_uses: int | None = None
    should_match: tuple[str, ...] = ()
    should_not_match: tuple[str, ...] = ()


def check_draft(draft: RuleDraft, *, now: datetime) -> tuple[Rule, tuple[RuleWarning, ...]]:
    """Return the rule with what it would let through beyond the obvious.

    Raises:
        Problem: 422 with an error for each member that is wrong, failed examples among them.
    """
    errors = list(_draft_errors(draft, now))
    if errors:
        raise invalid(*errors)
    rule = Rule(
        id=str(uuid.uuid4()),
        kind=RuleKind(draft.kind),
        effect=Effect(draft.effect),
        pattern=draft.pattern,
        scope=Scope(draft.agents, draft.hosts, draft.users, draft.cwds),
        expires_at=None if draft.expires_at is None else draft.expires_at.replace(microsecond=0),
        max_uses=draft.max_uses,
        reason=draft.reason,
        should_match=draft.should_match,
        should_not_match=draft.should_not_match,
    )
    failures = check_examples(rule)
    if failures:
        raise invalid(*(FieldError("/should_match", "example_failed", str(item)) for item in failures))
    return rule, warnings(rule)


def _draft_errors(draft: RuleDraft, now: datetime) -> Any:  # noqa: C901 - one line per member
    if draft.kind not in {RuleKind.EXACT, RuleKind.ARGV_GLOB}:
        yield FieldError("/kind", "invalid", "exact or argv_glob.")
    if draft.effect not in {Effect.ALLOW, Effect.DENY}:
        yield FieldError("/effect", "invalid", "allow or deny.")
    if not draft.pattern.strip() or len(draft.pattern) > PATTERN_MAX_CHARS:
        yield FieldError("/pattern", "invalid", f"1 to {PATTERN_MAX_CHARS} characters.")
    elif draft.kind == RuleKind.ARGV_GLOB:
        compiled = compile_pattern(draft.pattern, literal_program=draft.effect != Effect.DENY)
        if isinstance(compiled, PatternError):
            yield FieldError("/pattern", "pattern", compiled.message)
    if not draft.reason.strip() or len(draft.reason) > REASON_MAX_CHARS:
        yield FieldError("/reason", "required", "Say why, for whoever reads it in a year.")
    if draft.expires_at is not None and draft.expires_at <= now:
        yield FieldError("/expires_at", "past", "This is past.")
    if draft.max_uses is not None and draft.max_uses < 1:
        yield FieldError("/max_uses", "out_of_range", "1 or more, or empty.")
    if len(draft.should_match) + len(draft.should_not_match) > EXAMPLES_MAX:
        yield FieldError("/should_match", "too_many", f"At most {EXAMPLES_MAX} examples.")
    for name in ("agents", "hosts", "users", "cwds", "should_match", "should_not_match"):
        items = getattr(draft, name)
        if len(items) > SCOPE_MAX or any(len(item) > SCOPE_ITEM_MAX_CHARS for item in items):
            yield FieldError(f"/{name}", "too_long", f"At most {SCOPE_MAX}, of {SCOPE_ITEM_MAX_CHARS} characters each.")


def create_rule(*, access: Access, draft: RuleDraft, accept_warnings: bool, now: datetime) -> Rule:
    """Add a rule to the whitelist.

    Raises:
        Problem: 401, 403, 422, 409 `warnings_unconfirmed` with what the rule would let through,
            409 `whitelist_busy` while another change is under way, 503 without the database.
    """
    require_verified(access, Ability.ADMINISTER)
    rule, found = check_draft(draft, now=now)
    if found and not accept_warnings:
        texts = [item.text for item in found]
        detail = "The rule lets more through than its pattern shows. Confirm it to go on."
        raise Problem(409, "warnings_unconfirmed", detail, extra={"warnings": texts})
    document = rule_document(rule)

    def write(version: int) -> None:
        store.add_rule(
            organization_id=access.organization_id,
            document=document,
            version=version,
            created_by=access.user_id,
            now=now,
        )

    def leaves(current: Ruleset) -> list[bytes]:
        if len(current.leaves) >= MAX_RULES:
            raise invalid(FieldError("/pattern", "too_many", f"At most {MAX_RULES} rules."))
        return [*current.leaves.values(), leaf(rule)]

    _change(access, now, "rule.added", rule.id, document, leaves, write)
    return rule


def retire_rule(*, access: Access, rule_id: UUID, now: datetime) -> None:
    """End a rule. It stays readable in the log and in its database.

    Raises:
        Problem: 401, 403, 404, 409 `whitelist_busy`, 503.
    """
    require_verified(access, Ability.ADMINISTER)

    def leaves(current: Ruleset) -> list[bytes]:
        if str(rule_id) not in current.leaves:
            raise not_found()
        return [item for key, item in current.leaves.items() if key != str(rule_id)]

    def write(version: int) -> None:
        if not store.retire_rule(organization_id=access.organization_id, rule_id=rule_id, version=version):
            raise not_found()

    _change(access, now, "rule.retired", str(rule_id), None, leaves, write)


def _change(
    access: Access,
    now: datetime,
    kind: str,
    rule_id: str,
    document: dict[str, Any] | None,
    leaves: Callable[[Ruleset], list[bytes]],
    write: Callable[[int], None],
) -> None:
    # 1. Intent: from here everything goes to humans.
    version, expected = _record_intent(access, now, kind, rule_id, document, leaves)
    # 2. The version, in its own database.
    try:
        write(version)
    except DatabaseError as error:
        logger.exception("the whitelist database refused version %s", version)
        recover_whitelist(organization_id=access.organization_id, now=now)
        headers = {"Retry-After": "5"}
        detail = "The whitelist database is not available. Nothing was changed."
        raise Problem(503, "unavailable", detail, headers=headers) from error
    # 3. Applied, if what is stored now has the root that was announced.
    _close_intent(access.organization_id, access.actor, now, expected)


@transaction.atomic(durable=True)  # on its own: a rollback around it would leave the other database alone
def _record_intent(
    access: Access,
    now: datetime,
    kind: str,
    rule_id: str,
    document: dict[str, Any] | None,
    leaves: Callable[[Ruleset], list[bytes]],
) -> tuple[int, str]:
    queue = take_sound_queue(access.organization_id)
    if queue.pending_version is not None:
        detail = "Another change of the whitelist is under way. Try again in a moment."
        raise Problem(409, "whitelist_busy", detail)
    # What a crash left behind of versions that never came into force.
    store.discard_after(organization_id=access.organization_id, version=queue.whitelist_version)
    current = get_ruleset(queue)
    if isinstance(current, Unavailable):
        raise Problem(409, "whitelist_unavailable", f"{current.reason}.")
    expected = root(leaves(current))
    version = queue.whitelist_version + 1
    journal = QueueJournal(queue, actor=access.actor, now=now)
    facts = {"change": kind, "rule": rule_id, "root": expected, "whitelist_version": version}
    payload = {"by": access.name or access.email, "rule": document}
    journal.step(
        "whitelist.intent",
        facts=facts,
        payload=payload,
        pending_version=version,
        pending_root=expected,
    )
    journal.commit_update()
    return version, expected


@transaction.atomic(durable=True)
def _close_intent(organization_id: UUID, actor: str, now: datetime, expected: str) -> None:
    """Apply the pending version if the stored rules have its root, void it if they have the old."""
    view = take_queue(organization_id)
    queue, version = view.row, view.row.pending_version
    if view.broken is not None:
        logger.critical("organization %s: not recovered: %s", organization_id, view.broken.reason)
        return
    if version is None or not keys.equal(queue.pending_root, expected):
        return  # somebody recovered it meanwhile
    journal = QueueJournal(queue, actor=actor, now=now)
    if _has_root(organization_id, version, expected):
        journal.step(
            "whitelist.applied",
            facts={"root": expected, "whitelist_version": version},
            whitelist_version=version,
            whitelist_root=expected,
            pending_version=None,
            pending_root="",
        )
    else:
        store.discard_after(organization_id=organization_id, version=queue.whitelist_version)
        if not _has_root(organization_id, queue.whitelist_version, queue.whitelist_root):
            # Neither the old rules nor the new ones. It stays open: everything goes to humans.
            logger.critical("organization %s: the whitelist has neither root", organization_id)
            return
        journal.step(
            "whitelist.voided",
            facts={"root": queue.whitelist_root, "whitelist_version": version},
            pending_version=None,
            pending_root="",
        )
    journal.commit_update()


def _has_root(organization_id: UUID, version: int, expected: str) -> bool:
    stored = load_ruleset(organization_id, version)
    return isinstance(stored, Ruleset) and keys.equal(stored.root, expected)


def recover_whitelist(*, organization_id: UUID, now: datetime) -> None:
    """Complete or void a change that was left open, by what the whitelist database holds."""
    queue = QueueState.objects.get(organization_id=organization_id)
    if queue.pending_version is not None:
        _close_intent(organization_id, RECOVERY_ACTOR, now, queue.pending_root)
