"""Reads of people, organizations, agents and keys; of what belongs to one, always by organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from accounts.domain.addresses import MAX_CHARS, normalise_email
from accounts.models import Agent, ApiKey, BackupCode, Membership, TotpDevice, User
from core.problems import not_found


@dataclass(frozen=True, slots=True)
class OrganizationChoice:
    """An organization that a person may switch to."""

    id: UUID
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AgentSummary:
    """An agent as the list shows it."""

    id: UUID
    name: str
    description: str
    owner: str
    is_active: bool
    active_keys: int
    last_seen_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeySummary:
    """A key as the list shows it. `status`: active, revoked or expired."""

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    status: str


def find_user_by_email(email: str) -> User | None:
    """Return the account that owns an address, however it is spelled."""
    wanted = normalise_email(email)
    if not wanted or len(wanted) > MAX_CHARS:
        return None
    return User.objects.alias(address=Lower("email")).filter(address=wanted).first()


def list_organizations(user_id: UUID) -> list[OrganizationChoice]:
    """Return the organizations that a person belongs to, by name."""
    rows = (
        Membership.objects.filter(user_id=user_id, removed_at=None)
        .order_by("organization__name", "organization_id")
        .values_list("organization_id", "organization__name", "role")
    )
    return [OrganizationChoice(*row) for row in rows]


def list_log_organizations(user_id: UUID) -> list[UUID | None]:
    """Return whose logs record what a person does to their own account, in locking order.

    Somebody who belongs to no organization is recorded in the instance log.
    """
    ids = Membership.objects.filter(user_id=user_id, removed_at=None).values_list("organization_id", flat=True)
    return [*sorted(ids)] or [None]


def find_first_organization(user_id: UUID) -> UUID | None:
    """Return the organization that a new session starts in: the oldest membership's."""
    return (
        Membership.objects.filter(user_id=user_id, removed_at=None)
        .order_by("created_at", "id")
        .values_list("organization_id", flat=True)
        .first()
    )


def find_membership(organization_id: UUID, user_id: UUID) -> Membership | None:
    """Return a person's membership that is not removed."""
    return Membership.objects.filter(organization_id=organization_id, user_id=user_id, removed_at=None).first()


def find_standing(organization_id: UUID, user_id: UUID, device_id: int | None) -> Any:
    """Return, in one query, all that a session's rights depend on; None when there are none.

    The membership with its person and organization, `device_confirmed` (the session's device still
    counts) and `enrolled` (the person has some confirmed device).
    """
    devices = TotpDevice.objects.filter(user_id=OuterRef("user_id"), confirmed=True)
    return (
        Membership.objects.filter(
            organization_id=organization_id,
            user_id=user_id,
            removed_at=None,
            user__is_active=True,
        )
        .select_related("user", "organization")
        .annotate(device_confirmed=Exists(devices.filter(pk=device_id or 0)), enrolled=Exists(devices))
        .first()
    )


def list_devices(user_id: UUID) -> list[TotpDevice]:
    """Return a person's confirmed authenticator apps."""
    return list(TotpDevice.objects.filter(user_id=user_id, confirmed=True).order_by("pk"))


def has_second_factor(user_id: UUID) -> bool:
    """Tell whether a person has a confirmed authenticator app."""
    return bool(TotpDevice.objects.filter(user_id=user_id, confirmed=True).exists())


def find_pending_device(user_id: UUID, device_id: int | None) -> TotpDevice | None:
    """Return the device that a session has begun to enrol."""
    if device_id is None:
        return None
    rows: QuerySet[TotpDevice] = TotpDevice.objects.filter(user_id=user_id, confirmed=False)
    return rows.filter(pk=device_id).first()


def count_backup_codes(user_id: UUID) -> int:
    """Return how many backup codes are left."""
    return BackupCode.objects.filter(user_id=user_id, used_at=None).count()


def get_agent(organization_id: UUID, agent_id: UUID, *, owner_id: UUID | None = None) -> Agent:
    """Return the organization's agent; with `owner_id` only if that person owns it.

    Raises:
        Problem: 404 when there is none.
    """
    rows = Agent.objects.filter(organization_id=organization_id, pk=agent_id)
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    agent = rows.select_related("owner", "organization").first()
    if agent is None:
        raise not_found()
    return agent


def list_agents(organization_id: UUID, *, now: datetime, owner_id: UUID | None = None) -> list[AgentSummary]:
    """Return the organization's agents by name; with `owner_id` only that person's."""
    rows = Agent.objects.filter(organization_id=organization_id).select_related("owner")
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    usable = Q(keys__revoked_at=None) & (Q(keys__expires_at=None) | Q(keys__expires_at__gt=now))
    rows = rows.annotate(
        active_keys=Count("keys", filter=usable & Q(keys__isnull=False)),
        last_seen_at=Max("keys__last_used_at"),
    )
    return [_summarize_agent(row) for row in rows.order_by("name", "id")]


def _summarize_agent(row: Any) -> AgentSummary:
    return AgentSummary(
        id=row.id,
        name=row.name,
        description=row.description,
        owner=str(row.owner),
        is_active=row.disabled_at is None,
        active_keys=row.active_keys if row.disabled_at is None else 0,
        last_seen_at=row.last_seen_at,
        created_at=row.created_at,
    )


def list_keys(organization_id: UUID, *, agent_id: UUID | None = None) -> QuerySet[ApiKey]:
    """Return the organization's keys as a query, newest first."""
    rows = ApiKey.objects.filter(organization_id=organization_id)
    if agent_id is not None:
        rows = rows.filter(agent_id=agent_id)
    return rows.order_by("-created_at", "-id")


def get_key(organization_id: UUID, key_id: UUID) -> ApiKey:
    """Return the organization's key.

    Raises:
        Problem: 404 when there is none.
    """
    key = ApiKey.objects.filter(organization_id=organization_id, pk=key_id).first()
    if key is None:
        raise not_found()
    return key


def summarize_key(key: ApiKey, now: datetime) -> KeySummary:
    """Return a key with its status by the clock."""
    status = "active"
    if key.expires_at is not None and key.expires_at <= now:
        status = "expired"
    if key.revoked_at is not None:
        status = "revoked"
    return KeySummary(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
        status=status,
    )


def find_key(digest: bytes) -> ApiKey | None:
    """Return the key with this digest, its agent and its organization, in one query."""
    return ApiKey.objects.select_related("agent", "organization").filter(digest=digest).first()
