"""Record signing in and out, and check a change of organization."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.domain.access import needs_second_factor
from accounts.effects import announce_session_end
from accounts.models import Membership
from accounts.selectors import find_membership, find_user_by_email
from accounts.services.journal import append_for_person, client, person_event
from audit.services import Event, append
from core.problems import Problem, not_found

EMAIL_CHARS = 254


@transaction.atomic
def record_sign_in(*, user_id: UUID, organization_id: UUID, method: str, address: str, now: datetime) -> None:
    """Record that a session began in an organization. `method`: password, totp, backup_code.

    Only that organization's log: the person's other organizations learn nothing of it.
    """
    event = person_event("sign_in.succeeded", user_id, facts={"method": method}, payload=client(address))
    append(organization_id=organization_id, now=now, events=[event])


@transaction.atomic
def record_sign_in_failure(*, email: str, address: str, locked: bool, now: datetime) -> None:
    """Record a wrong password, and with `locked` that it was the one too many.

    A known account's failures go to the logs of its organizations, which are under attack; an
    unknown one's to the instance log. The address that was tried is in the payload alone.
    """
    payload = {"email": email[:EMAIL_CHARS], **client(address)}
    kinds = ["sign_in.failed", "sign_in.locked"] if locked else ["sign_in.failed"]
    user = find_user_by_email(email)
    if user is None:
        events = [Event(type=kind, obj="anonymous:", actor="anonymous:", payload=payload) for kind in kinds]
        append(organization_id=None, now=now, events=events)
        return
    events = [person_event(kind, user.id, actor="anonymous:", payload=payload) for kind in kinds]
    append_for_person(user.id, events, now=now)


@transaction.atomic
def sign_out(*, user_id: UUID, organization_id: UUID, now: datetime) -> None:
    """Record the end of a session. The edge has flushed the session before, in this transaction."""
    announce_session_end(user_id)
    event = person_event("session.ended", user_id, facts={"reason": "signed_out"})
    append(organization_id=organization_id, now=now, events=[event])


@transaction.atomic
def switch_organization(
    *,
    user_id: UUID,
    from_organization_id: UUID,
    to_organization_id: UUID,
    verified: bool,
    address: str,
    now: datetime,
) -> Membership:
    """Let a session go on in another organization, if it meets that one's sign-in rule.

    Raises:
        Problem: 404 where the person does not belong; 403 `second_factor_required`.
    """
    membership = find_membership(to_organization_id, user_id)
    if membership is None:
        raise not_found()
    if needs_second_factor(membership.role) and not verified:
        detail = "Your role there needs a second factor. Enrol one under Account, Security first."
        raise Problem(403, "second_factor_required", detail)
    if from_organization_id == to_organization_id:
        return membership
    announce_session_end(user_id, from_organization_id)
    records: dict[UUID, Event] = {
        from_organization_id: _ended(user_id, {"reason": "switched"}),
        to_organization_id: person_event(
            "sign_in.succeeded", user_id, facts={"method": "switch"}, payload=client(address)
        ),
    }
    for organization_id in sorted(records):  # the order in which every service locks logs
        append(organization_id=organization_id, now=now, events=[records[organization_id]])
    return membership


def _ended(user_id: UUID, facts: dict[str, Any]) -> Event:
    return person_event("session.ended", user_id, facts=facts)
