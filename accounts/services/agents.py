"""Agents and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.domain import api_keys
from accounts.models import Agent, ApiKey, User
from accounts.selectors import find_membership
from audit.services import Event, append
from core.problems import FieldError, Problem, invalid, not_found

MAX_NAME_CHARS = 80
MAX_DESCRIPTION_CHARS = 300
MAX_NOTE_CHARS = 100


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key. `text` is the whole credential; it exists here and with its holder, only."""

    row: ApiKey
    text: str


@transaction.atomic
def create_agent(
    *,
    organization_id: UUID,
    name: str,
    description: str = "",
    owner: User,
    actor: str,
    now: datetime,
) -> Agent:
    """Make an agent that `owner`, a member, answers for.

    Raises:
        Problem: 422 for a name that is empty, too long or taken, or an owner who is no member.
    """
    agent = Agent(
        organization_id=organization_id,
        name=_check_text(name, "/name", MAX_NAME_CHARS, required=True),
        description=_check_text(description, "/description", MAX_DESCRIPTION_CHARS),
        owner=owner,
        created_at=now,
    )
    if find_membership(organization_id, owner.id) is None:
        raise invalid(FieldError("/owner", "not_a_member", "The owner must be a member."))
    try:
        with transaction.atomic():
            agent.save(force_insert=True)
    except IntegrityError as error:
        detail = "Another agent of this organization has the name."
        raise invalid(FieldError("/name", "taken", detail)) from error
    event = Event(
        type="agent.created",
        obj=f"agent:{agent.id}",
        actor=actor,
        facts={"owner": str(owner.id)},
        payload={"name": agent.name, "description": agent.description},
    )
    append(organization_id=organization_id, now=now, events=[event])
    return agent


@transaction.atomic
def disable_agent(*, organization_id: UUID, agent_id: UUID, actor: str, now: datetime) -> Agent:
    """Switch an agent off for good: its keys stop at once. Repeating it changes nothing.

    Raises:
        Problem: 404.
    """
    changed = Agent.objects.filter(organization_id=organization_id, pk=agent_id, disabled_at=None).update(
        disabled_at=now
    )
    agent = Agent.objects.filter(organization_id=organization_id, pk=agent_id).first()
    if agent is None:
        raise not_found()
    if changed:
        event = Event(type="agent.disabled", obj=f"agent:{agent.id}", actor=actor)
        append(organization_id=organization_id, now=now, events=[event])
    return agent


@transaction.atomic
def create_api_key(
    *,
    organization_id: UUID,
    agent_id: UUID,
    created_by_id: UUID | None,
    actor: str,
    now: datetime,
    name: str = "",
    expires_at: datetime | None = None,
) -> CreatedKey:
    """Make a key for an agent that is not disabled. Its text is returned this once.

    Raises:
        Problem: 404; 409 `agent_disabled`; 422 for an expiry in the past.
    """
    agent = Agent.objects.select_for_update().filter(organization_id=organization_id, pk=agent_id).first()
    if agent is None:
        raise not_found()
    if agent.disabled_at is not None:
        raise Problem(409, "agent_disabled", "The agent is switched off.")
    if expires_at is not None and expires_at <= now:
        raise invalid(FieldError("/expires_at", "past", "A time that is still to come."))
    text = api_keys.generate()
    row = ApiKey(
        organization_id=organization_id,
        agent=agent,
        name=_check_text(name, "/name", MAX_NOTE_CHARS),
        prefix=api_keys.display_prefix(text),
        digest=api_keys.digest(text),
        created_at=now,
        created_by_id=created_by_id,
        expires_at=expires_at,
    )
    row.save(force_insert=True)
    expiry = None if expires_at is None else int(expires_at.timestamp())
    event = _key_event("api_key.created", row, actor, expires_at=expiry)
    append(organization_id=organization_id, now=now, events=[event])
    return CreatedKey(row, text)


@transaction.atomic
def revoke_api_key(*, organization_id: UUID, key_id: UUID, actor: str, now: datetime) -> ApiKey:
    """Revoke a key: it stops at once. Repeating it changes nothing.

    Raises:
        Problem: 404.
    """
    rows = ApiKey.objects.filter(organization_id=organization_id, pk=key_id)
    changed = rows.filter(revoked_at=None).update(revoked_at=now)
    row = rows.first()
    if row is None:
        raise not_found()
    if changed:
        event = _key_event("api_key.revoked", row, actor)
        append(organization_id=organization_id, now=now, events=[event])
    return row


def touch_key_use(*, key: ApiKey, now: datetime) -> None:
    """Note that a key is in use, at most every `KEY_LAST_USED_STEP_S`.

    Not audited: every use is, by what it was used for.
    """
    before = now - timedelta(seconds=settings.KEY_LAST_USED_STEP_S)
    if key.last_used_at is not None and key.last_used_at > before:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def record_key_refusal(*, key: ApiKey, code: str, now: datetime) -> None:
    """Record that somebody came with a key that does not count any more.

    Once per key, code and `KEY_LAST_USED_STEP_S`: whoever holds a dead key cannot fill the log with it.
    """
    if not cache.add(f"key-refused:{key.id}:{code}", 1, settings.KEY_LAST_USED_STEP_S):
        return
    event = _key_event("api_key.refused", key, "anonymous:", code=code)
    append(organization_id=key.organization_id, now=now, events=[event])


def _key_event(kind: str, row: ApiKey, actor: str, **facts: Any) -> Event:
    return Event(
        type=kind,
        obj=f"key:{row.id}",
        actor=actor,
        facts={"agent": str(row.agent_id), **facts},
        payload={"prefix": row.prefix, "name": row.name},
    )


def _check_text(text: str, pointer: str, limit: int, *, required: bool = False) -> str:
    cleaned = text.strip()
    if required and not cleaned:
        raise invalid(FieldError(pointer, "required", "Not empty."))
    if len(cleaned) > limit:
        raise invalid(FieldError(pointer, "too_long", f"At most {limit} characters."))
    if "\x00" in cleaned:
        raise invalid(FieldError(pointer, "malformed", "No NUL."))
    return cleaned
