"""Make accounts, change passwords."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts.domain.addresses import normalise_email
from accounts.effects import announce_session_end
from accounts.models import User
from accounts.services.journal import append_for_person, client, person_event
from audit.services import append
from core.problems import FieldError, invalid

MAX_PASSWORD_CHARS = 1_024
MAX_NAME_CHARS = 120


@transaction.atomic
def create_user(*, email: str, password: str, name: str = "", actor: str, now: datetime) -> User:
    """Make a password account that owns its address; whoever calls this vouches for the address.

    Raises:
        Problem: 422 for an address that is none or is taken, and for a weak password.
    """
    user = User(
        email=_check_email(email),
        email_verified_at=now,
        name=name.strip()[:MAX_NAME_CHARS],
        time_zone="",
        created_at=now,
    )
    _check_password(password, user, "/password")
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise invalid(FieldError("/email", "taken", "There is an account with it.")) from error
    payload = {"email": user.email, "name": user.name}
    event = person_event("user.created", user.id, actor=actor, payload=payload)
    append(organization_id=None, now=now, events=[event])
    return user


@transaction.atomic
def change_password(*, user: User, current: str, new: str, actor: str, address: str, now: datetime) -> User:
    """Set a new password and end every session made before; return the fresh row.

    Raises:
        Problem: 422 when `current` is not the password or `new` is weak.
    """
    # 1. Under the row's lock: two changes cannot both believe in the same old password.
    row = User.objects.select_for_update().get(pk=user.pk)
    if not row.check_password(current):
        raise invalid(FieldError("/current", "wrong", "That is not your password."))
    _check_password(new, row, "/new")
    # 2. Older sessions die twice: by this moment, and by the hash that each carries.
    row.set_password(new)
    row.sessions_valid_from = now
    row.save(update_fields=["password", "sessions_valid_from"])
    announce_session_end(row.id)
    events = [
        person_event("password.changed", row.id, actor=actor, payload=client(address)),
        person_event("session.ended", row.id, actor=actor, facts={"reason": "password_changed"}),
    ]
    append_for_person(row.id, events, now=now)
    return row


def change_time_zone(*, user_id: UUID, time_zone: str) -> None:
    """Keep how a person wants times shown; empty means their browser's zone.

    Not audited: nothing but the look of pages depends on it.

    Raises:
        Problem: 422 for a zone that does not exist.
    """
    if time_zone and time_zone not in zoneinfo.available_timezones():
        detail = "There is no such time zone. For example Europe/Berlin."
        raise invalid(FieldError("/time_zone", "unknown", detail))
    User.objects.filter(pk=user_id).update(time_zone=time_zone)


def _check_email(text: str) -> str:
    email = normalise_email(text)
    try:
        validate_email(email)
    except ValidationError as error:
        raise invalid(FieldError("/email", "malformed", "An email address.")) from error
    return email


def _check_password(password: str, user: User, pointer: str) -> None:
    if len(password) > MAX_PASSWORD_CHARS:
        detail = f"At most {MAX_PASSWORD_CHARS} characters."
        raise invalid(FieldError(pointer, "too_long", detail))
    try:
        validate_password(password, user)
    except ValidationError as error:
        detail = " ".join(error.messages)
        raise invalid(FieldError(pointer, "weak", detail)) from error
