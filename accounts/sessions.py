"""What a session holds, and what it is worth now.

A session is half signed in after the password and whole after the second factor. Whatever it holds
is only a claim: each request asks the database whether the person, the membership, the device and
the moment of signing in still count.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    login,
)
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone

from accounts.domain.access import Access
from accounts.domain.factors import Accepted
from accounts.models import User
from accounts.selectors import find_standing
from core import keys

BACKEND = "accounts.backends.EmailBackend"
ORGANIZATION = "expacti.organization"
SIGNED_IN_AT = "expacti.signed_in_at"
DEVICE = "expacti.device"
FACTOR = "expacti.factor"
VERIFIED_AT = "expacti.verified_at"
HALF = "expacti.half"
PENDING_DEVICE = "expacti.pending_device"
HALF_AGE = timedelta(minutes=10)
FRESH_AGE = timedelta(minutes=10)


def access_for_session(session: Any, user: Any = None) -> Access | None:
    """Return what a session is worth now, read anew from its store; for a socket's re-check.

    Two queries. `user` (optional) is whom the caller believes it to be.
    """
    key = getattr(session, "session_key", None)
    if not key:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    data = store.load()  # empty when the session has been flushed, cycled or has expired
    access = evaluate(data, now=timezone.now())
    if access is not None and user is not None and getattr(user, "pk", None) != access.user_id:
        return None
    return access


def evaluate(data: Mapping[str, Any], *, now: datetime) -> Access | None:  # noqa: PLR0911 - a list of reasons for no
    """Return what a session's content is worth now: at most one query."""
    user_id, organization_id = _uuid(data.get(SESSION_KEY)), _uuid(data.get(ORGANIZATION))
    signed_in_at = _moment(data.get(SIGNED_IN_AT))
    if user_id is None or organization_id is None or signed_in_at is None:
        return None
    if data.get(BACKEND_SESSION_KEY) != BACKEND:
        return None
    # 1. However busy, a session ends: its cookie's age counts from signing in.
    if now - signed_in_at > timedelta(seconds=settings.SESSION_COOKIE_AGE):
        return None
    # 2. The person is active and belongs to the organization.
    standing = find_standing(organization_id, user_id, data.get(DEVICE))
    if standing is None:
        return None
    # 3. No change of password or removal since.
    if not _still_valid(data, standing.user, signed_in_at):
        return None
    # 4. Who has a second factor has passed it, in this session.
    verified = standing.device_confirmed and _within_age(data, now)
    if standing.enrolled and not verified:
        return None
    return Access(
        user_id=user_id,
        organization_id=organization_id,
        membership_id=standing.id,
        role=standing.role,
        verified=verified,
        second_factor=data.get(FACTOR) if verified else None,
        email=standing.user.email or "",
        name=standing.user.name,
        organization_name=standing.organization.name,
        time_zone=standing.user.time_zone,
    )


def begin_half(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Start over with an empty session that only remembers whose password was right."""
    request.session.flush()
    rotate_token(request)
    request.session[HALF] = {
        "user": str(user.pk),
        "at": now.isoformat(),
        "hash": user.get_session_auth_hash(),
    }


def half_signed_in(request: HttpRequest, *, now: datetime) -> User | None:
    """Return whose password this session has passed, while that may be followed by a code."""
    half = request.session.get(HALF)
    if not isinstance(half, dict):
        return None
    at, user_id = _moment(half.get("at")), _uuid(half.get("user"))
    if at is None or user_id is None or now - at > HALF_AGE:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not keys.equal(half.get("hash", ""), user.get_session_auth_hash()):
        return None
    return user


def complete(
    request: HttpRequest,
    user: User,
    *,
    organization_id: UUID,
    factor: Accepted | None,
    now: datetime,
) -> None:
    """Make the session whole, under a new key."""
    request.session.pop(HALF, None)
    login(request, user, backend=BACKEND)  # cycles the key, or flushes another person's session
    request.session[SIGNED_IN_AT] = now.isoformat()
    request.session[ORGANIZATION] = str(organization_id)
    if factor is not None:
        _note_factor(request, factor, now)
    forget_access(request)


def note_factor(request: HttpRequest, factor: Accepted, *, now: datetime) -> None:
    """Remember a second factor that this session has just passed, under a new key."""
    request.session.cycle_key()
    rotate_token(request)
    _note_factor(request, factor, now)
    forget_access(request)


def is_fresh(request: HttpRequest, *, now: datetime) -> bool:
    """Tell whether the second factor was passed a moment ago, as changing it demands."""
    at = _moment(request.session.get(VERIFIED_AT))
    return at is not None and timedelta(0) <= now - at <= FRESH_AGE


def enter_organization(request: HttpRequest, organization_id: UUID) -> None:
    """Move the session to another organization, under a new key."""
    request.session.cycle_key()
    request.session[ORGANIZATION] = str(organization_id)
    request.session.save()
    forget_access(request)


def survive_password_change(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Keep this one session after its owner changed the password, under a new key."""
    # Not Django's update_session_auth_hash: it asks for request.user, whom the old hash ends.
    request.session.cycle_key()
    rotate_token(request)
    request.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    request.session[SIGNED_IN_AT] = now.isoformat()
    forget_access(request)


def forget_access(request: HttpRequest) -> None:
    """Have `request.access` asked for again."""
    request.__dict__.pop("access", None)


def _note_factor(request: HttpRequest, factor: Accepted, now: datetime) -> None:
    request.session[DEVICE] = factor.device_id
    request.session[FACTOR] = factor.method.value
    request.session[VERIFIED_AT] = now.isoformat()


def _still_valid(data: Mapping[str, Any], user: User, signed_in_at: datetime) -> bool:
    if user.sessions_valid_from is not None and signed_in_at < user.sessions_valid_from:
        return False
    return keys.equal(data.get(HASH_SESSION_KEY) or "", user.get_session_auth_hash())


def _within_age(data: Mapping[str, Any], now: datetime) -> bool:
    at = _moment(data.get(VERIFIED_AT))
    return at is not None and now - at <= timedelta(seconds=settings.SESSION_OTP_AGE_S)


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        return None


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
