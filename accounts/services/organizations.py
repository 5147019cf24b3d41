"""Organizations and who belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.domain.roles import Role, may_assign
from accounts.effects import announce_session_end
from accounts.models import Membership, Organization, User
from audit.services import Event, append, open_log
from core.problems import FieldError, Problem, invalid, not_found

ORGANIZATION_SETTINGS = ("name", "max_ttl_s", "trusted_directories", "allow_unbound_names")
SETTING_FACTS = ("max_ttl_s", "trusted_directories", "allow_unbound_names")


@transaction.atomic
def create_organization(*, name: str, slug: str, owner: User, actor: str, now: datetime) -> Organization:
    """Make an organization with its log and its first owner.

    Raises:
        Problem: 422 for a name or slug that is malformed or taken.
    """
    organization = Organization(name=name.strip(), slug=slug, created_at=now)
    _save(organization)
    membership = Membership(organization=organization, user=owner, role=Role.OWNER, created_at=now)
    membership.save(force_insert=True)
    open_log(organization.id)
    created = Event(
        type="organization.created",
        obj=f"organization:{organization.id}",
        actor=actor,
        facts={name: getattr(organization, name) for name in SETTING_FACTS},
        payload={"name": organization.name, "slug": organization.slug},
    )
    added = _membership_event("membership.added", membership, actor, facts={"role": Role.OWNER})
    append(organization_id=organization.id, now=now, events=[created, added])
    return organization


@transaction.atomic
def change_organization(
    *, organization_id: UUID, changes: Mapping[str, Any], actor: str, now: datetime
) -> Organization:
    """Change an organization's name and caps (`ORGANIZATION_SETTINGS`), where they differ.

    Raises:
        Problem: 422 for a value outside its bounds.
    """
    row = Organization.objects.select_for_update().get(pk=organization_id)
    changed = {
        name: value for name, value in changes.items() if name in ORGANIZATION_SETTINGS and getattr(row, name) != value
    }
    if not changed:
        return row
    for name, value in changed.items():
        setattr(row, name, value)
    _save(row)
    event = Event(
        type="organization.changed",
        obj=f"organization:{row.id}",
        actor=actor,
        facts={name: changed[name] for name in SETTING_FACTS if name in changed},
        payload={"name": row.name} if "name" in changed else None,
    )
    append(organization_id=row.id, now=now, events=[event])
    return row


@transaction.atomic
def add_membership(
    *, organization_id: UUID, user: User, role: str, actor: str, actor_role: str, now: datetime
) -> Membership:
    """Let a person into an organization.

    Raises:
        Problem: 403 `role_required` when the actor may not give that role, 422 when the person
            belongs to the organization already.
    """
    _check_role(role)
    _check_right(actor_role, old=None, new=role)
    membership = Membership(organization_id=organization_id, user=user, role=role, created_at=now)
    try:
        with transaction.atomic():
            membership.save(force_insert=True)
    except IntegrityError as error:
        detail = "This person belongs to the organization already."
        raise invalid(FieldError("/user", "member_already", detail)) from error
    payload = {"email": user.email or "", "name": user.name}
    event = _membership_event("membership.added", membership, actor, facts={"role": role}, payload=payload)
    append(organization_id=organization_id, now=now, events=[event])
    return membership


@transaction.atomic
def change_role(
    *,
    organization_id: UUID,
    membership_id: UUID,
    role: str,
    actor: str,
    actor_role: str,
    now: datetime,
) -> Membership:
    """Give a member another role. Open sessions have it from their next request on.

    Raises:
        Problem: 404; 403 `role_required`; 409 `last_owner`.
    """
    _check_role(role)
    row = _lock_membership(organization_id, membership_id)
    old = row.role
    _check_right(actor_role, old=old, new=role)
    if old == role:
        return row
    if old == Role.OWNER:
        _check_not_last_owner(organization_id, row)
    row.role = role
    row.save(update_fields=["role"])
    event = _membership_event("membership.role_changed", row, actor, facts={"from": old, "role": role})
    append(organization_id=organization_id, now=now, events=[event])
    return row


@transaction.atomic
def remove_membership(
    *, organization_id: UUID, membership_id: UUID, actor: str, actor_role: str, now: datetime
) -> Membership:
    """Remove a person from an organization; their sessions and sockets in it end.

    Raises:
        Problem: 404; 403 `role_required`; 409 `last_owner`.
    """
    row = _lock_membership(organization_id, membership_id)
    _check_right(actor_role, old=row.role, new=None)
    if row.role == Role.OWNER:
        _check_not_last_owner(organization_id, row)
    row.removed_at = now
    row.save(update_fields=["removed_at"])
    announce_session_end(row.user_id, organization_id)
    events = [
        _membership_event("membership.removed", row, actor, facts={"role": row.role}),
        Event(
            type="session.ended",
            obj=f"user:{row.user_id}",
            actor=actor,
            facts={"reason": "membership_removed"},
        ),
    ]
    append(organization_id=organization_id, now=now, events=events)
    return row


def _lock_membership(organization_id: UUID, membership_id: UUID) -> Membership:
    # The organization's row first: two owners who remove each other are decided one by one.
    Organization.objects.select_for_update().only("id").get(pk=organization_id)
    row = Membership.objects.filter(organization_id=organization_id, pk=membership_id, removed_at=None).first()
    if row is None:
        raise not_found()
    return row


def _check_not_last_owner(organization_id: UUID, row: Membership) -> None:
    others = Membership.objects.filter(
        organization_id=organization_id, role=Role.OWNER, removed_at=None, user__is_active=True
    ).exclude(pk=row.pk)
    if not others.exists():
        detail = "This is the last owner. Make somebody else owner first."
        raise Problem(409, "last_owner", detail)


def _check_role(role: str) -> None:
    if role not in set(Role):
        raise invalid(FieldError("/role", "unknown", f"One of {', '.join(Role)}."))


def _check_right(actor_role: str, *, old: str | None, new: str | None) -> None:
    if not may_assign(actor_role, old=old, new=new):
        detail = "Only an owner makes, changes or removes owners; only admins change roles."
        raise Problem(403, "role_required", detail)


def _save(organization: Organization) -> None:
    try:
        organization.full_clean()
    except ValidationError as error:
        fields = error.message_dict.items()
        errors = [FieldError(f"/{name}", "invalid", " ".join(texts)) for name, texts in fields]
        raise invalid(*errors) from error
    organization.save()


def _membership_event(
    kind: str,
    membership: Membership,
    actor: str,
    *,
    facts: Mapping[str, Any],
    payload: Mapping[str, Any] | None = None,
) -> Event:
    return Event(
        type=kind,
        obj=f"membership:{membership.id}",
        actor=actor,
        facts={"user": str(membership.user_id), **facts},
        payload=payload,
    )
