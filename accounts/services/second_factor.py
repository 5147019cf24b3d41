"""Authenticator apps: enrol, confirm, verify, remove.

A wrong code is an outcome: it commits its count and its record. Every check holds the device's row
lock from reading the count of failures to writing it, so that codes cannot be tried in parallel.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.domain import totp
from accounts.domain.factors import Accepted, FactorOutcome, Method, Reason, Rejected
from accounts.domain.throttle import retry_after_s
from accounts.effects import announce_session_end
from accounts.models import BackupCode, TotpDevice, User
from accounts.services.journal import append_for_person, client, person_event
from audit.services import Event
from core.problems import Problem

DEVICE_NAME = "Authenticator app"


@transaction.atomic
def begin_totp_enrolment(*, user_id: UUID, fresh: bool) -> TotpDevice:
    """Make an unconfirmed device with a new seed, for one session to show and confirm.

    Every earlier unconfirmed device goes: a seed that somebody else's session has seen must never
    be confirmed. Not audited: nothing depends on the device until it is confirmed.

    Raises:
        Problem: 403 `second_factor_required` when a confirmed device would be replaced by a session
            that has not just (`fresh`) passed it.
    """
    _lock_person(user_id)
    _check_may_replace(user_id, fresh=fresh)
    TotpDevice.objects.filter(user_id=user_id, confirmed=False).delete()
    seed = totp.encode_seed(secrets.token_bytes(totp.SEED_BYTES))
    device = TotpDevice(user_id=user_id, name=DEVICE_NAME, confirmed=False, seed=seed)
    device.save(force_insert=True)
    return device


@transaction.atomic
def confirm_totp(
    *, user_id: UUID, device_id: int, code: str, fresh: bool, address: str, now: datetime
) -> FactorOutcome:
    """Turn a pending device on with its first code. It takes the place of any other device.

    Raises:
        Problem: 403 as `begin_totp_enrolment`.
    """
    _lock_person(user_id)
    _check_may_replace(user_id, fresh=fresh)
    device = TotpDevice.objects.filter(user_id=user_id, pk=device_id, confirmed=False).first()
    if device is None:
        return Rejected(Reason.NOT_ENROLLED)
    outcome = _try_code(device, code, now)
    if isinstance(outcome, Rejected):
        return outcome
    replaced, _ = TotpDevice.objects.filter(user_id=user_id, confirmed=True).delete()
    TotpDevice.objects.filter(pk=device.pk).update(confirmed=True)
    payload = client(address)
    events = [person_event("second_factor.enrolled", user_id, facts=_FACTS, payload=payload)]
    if replaced:
        removed = {**_FACTS, "reason": "replaced"}
        events.insert(0, person_event("second_factor.removed", user_id, facts=removed))
        announce_session_end(user_id)
    append_for_person(user_id, events, now=now)
    return outcome


@transaction.atomic
def verify_totp(*, user_id: UUID, code: str, address: str, now: datetime) -> FactorOutcome:
    """Check a code against the person's device. Each code counts once."""
    device = lock_device(user_id)
    if device is None:
        return Rejected(Reason.NOT_ENROLLED)
    outcome = _try_code(device, code, now)
    if isinstance(outcome, Rejected) and outcome.reason is not Reason.LOCKED:
        event = failure_event(device, Method.TOTP, outcome.reason, address)
        append_for_person(user_id, [event], now=now)
    return outcome


@transaction.atomic
def remove_totp(*, user_id: UUID, code: str, address: str, now: datetime) -> FactorOutcome:
    """Remove the person's device and backup codes, on a fresh code from the device itself.

    Whoever holds the session alone cannot. Sessions lose what the device had verified.
    """
    _lock_person(user_id)
    outcome = verify_totp(user_id=user_id, code=code, address=address, now=now)
    if isinstance(outcome, Rejected):
        return outcome
    TotpDevice.objects.filter(user_id=user_id).delete()
    BackupCode.objects.filter(user_id=user_id).delete()
    announce_session_end(user_id)
    event = person_event(
        "second_factor.removed",
        user_id,
        facts={**_FACTS, "reason": "removed"},
        payload=client(address),
    )
    append_for_person(user_id, [event], now=now)
    return outcome


_FACTS = {"method": Method.TOTP.value}


def lock_device(user_id: UUID) -> TotpDevice | None:
    """Return the person's confirmed device, its row locked until the transaction ends."""
    rows: QuerySet[TotpDevice] = TotpDevice.objects.select_for_update()
    return rows.filter(user_id=user_id, confirmed=True).order_by("pk").first()


def wait_s(device: TotpDevice, now: datetime) -> int:
    """Return for how long no code of the person is looked at."""
    return retry_after_s(
        device.throttling_failure_count,
        device.throttling_failure_timestamp,
        now=now,
        factor_s=settings.TOTP_THROTTLE_FACTOR,
        limit_s=settings.TOTP_LOCK_MAX_S,
    )


def count_failure(device: TotpDevice, now: datetime) -> None:
    """Count one more failure in a row; the caller holds the device's lock."""
    device.throttling_failure_count += 1
    device.throttling_failure_timestamp = now
    device.save(update_fields=["throttling_failure_count", "throttling_failure_timestamp"])


def failure_event(device: TotpDevice, method: Method, reason: Reason, address: str) -> Event:
    """Return the record of a factor that did not count."""
    failures = device.throttling_failure_count
    return person_event(
        "second_factor.failed",
        device.user_id,
        facts={"method": method.value, "reason": reason.value, "failures": failures},
        payload=client(address),
    )


def _try_code(device: TotpDevice, code: str, now: datetime) -> FactorOutcome:
    # 1. Nothing is looked at while the device waits: guessing costs time that grows.
    wait = wait_s(device, now)
    if wait:
        return Rejected(Reason.LOCKED, wait)
    # 2. Which time step's code is it?
    step = totp.find_step(
        device.seed,
        totp.clean_code(code),
        step=totp.step_at(now),
        drift=settings.TOTP_DRIFT_STEPS,
    )
    if step is None:
        count_failure(device, now)
        return Rejected(Reason.WRONG, wait_s(device, now))
    # 3. One conditional UPDATE spends it and all steps before it, whatever was read above.
    spent = TotpDevice.objects.filter(pk=device.pk, last_step__lt=step).update(
        last_step=step,
        last_used_at=now,
        throttling_failure_count=0,
        throttling_failure_timestamp=None,
    )
    if not spent:
        count_failure(device, now)
        return Rejected(Reason.REUSED, wait_s(device, now))
    return Accepted(Method.TOTP, device.pk)


def _lock_person(user_id: UUID) -> None:
    User.objects.select_for_update().only("id").get(pk=user_id)


def _check_may_replace(user_id: UUID, *, fresh: bool) -> None:
    if not fresh and TotpDevice.objects.filter(user_id=user_id, confirmed=True).exists():
        detail = "Enter a code of your present authenticator app first."
        raise Problem(403, "second_factor_required", detail)
