"""Change an organization's approval policy. Commands under way keep the one they came under."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.domain.access import Access, require_verified
from accounts.domain.roles import Ability
from approvals.models import ApprovalPolicy
from approvals.selectors.integrity import policy_document_hash
from approvals.services.journal import QueueJournal
from approvals.services.queues import take_sound_queue
from core.problems import FieldError, invalid, not_found

MAX_PEOPLE = 20
NAME_MAX_CHARS = 80
MIN_DECIDE_WITHIN_S = 10
MAX_DECIDE_WITHIN_S = 86_400


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """The policy's new content, whole."""

    name: str
    required_approvals: int
    deny_threshold: int
    separation_of_duties: bool | None
    require_reason: bool
    decide_within_s: int | None


@transaction.atomic
def change_policy(*, access: Access, policy_id: UUID, change: PolicyChange, now: datetime) -> ApprovalPolicy:
    """Replace the policy's content.

    Raises:
        Problem: 401, 403, 404, or 422 naming the member that is out of range.
    """
    require_verified(access, Ability.ADMINISTER)
    _check(change)
    queue = take_sound_queue(access.organization_id)
    rows = ApprovalPolicy.objects.select_for_update()
    policy = rows.filter(organization_id=access.organization_id, pk=policy_id).first()
    if policy is None:
        raise not_found()
    before = _content(policy)
    for name in PolicyChange.__slots__:
        setattr(policy, name, getattr(change, name))
    policy.version += 1
    policy.updated_at = now
    policy.save(force_update=True)
    journal = QueueJournal(queue, actor=access.actor, now=now)
    commitment = policy_document_hash(policy)
    journal.step(
        "policy.changed",
        facts={"policy": str(policy.id), "policy_hash": commitment, "policy_version": policy.version},
        payload={"before": before, "after": _content(policy), "by": access.name or access.email},
        policy_hash=commitment,
    )
    journal.commit_update()
    return policy


def _content(policy: ApprovalPolicy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in PolicyChange.__slots__}


def _check(change: PolicyChange) -> None:
    errors = [
        FieldError(f"/{name}", "out_of_range", f"From 1 to {MAX_PEOPLE}.")
        for name in ("required_approvals", "deny_threshold")
        if not 1 <= getattr(change, name) <= MAX_PEOPLE
    ]
    within = change.decide_within_s
    if within is not None and not MIN_DECIDE_WITHIN_S <= within <= MAX_DECIDE_WITHIN_S:
        detail = f"From {MIN_DECIDE_WITHIN_S} to {MAX_DECIDE_WITHIN_S} seconds, or empty."
        errors.append(FieldError("/decide_within_s", "out_of_range", detail))
    if not 1 <= len(change.name.strip()) <= NAME_MAX_CHARS:
        errors.append(FieldError("/name", "invalid", f"1 to {NAME_MAX_CHARS} characters."))
    if errors:
        raise invalid(*errors)
