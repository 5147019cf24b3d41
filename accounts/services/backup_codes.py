"""Single-use codes for a lost phone. Shown once; only a keyed digest is kept."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.domain import backup_codes
from accounts.domain.factors import Accepted, FactorOutcome, Method, Reason, Rejected
from accounts.models import BackupCode, TotpDevice, User
from accounts.services.journal import append_for_person, client, person_event
from accounts.services.second_factor import count_failure, failure_event, lock_device, wait_s
from core import keys


@transaction.atomic
def create_backup_codes(*, user_id: UUID, actor: str, now: datetime) -> list[str]:
    """Replace all of a person's backup codes and return the new ones, this once."""
    User.objects.select_for_update().only("id").get(pk=user_id)
    BackupCode.objects.filter(user_id=user_id).delete()
    codes = [backup_codes.generate() for _ in range(settings.BACKUP_CODE_COUNT)]
    BackupCode.objects.bulk_create(
        BackupCode(user_id=user_id, digest=_digest(user_id, code), created_at=now) for code in codes
    )
    event = person_event("backup_codes.created", user_id, actor=actor, facts={"count": len(codes)})
    append_for_person(user_id, [event], now=now)
    return codes


@transaction.atomic
def use_backup_code(*, user_id: UUID, code: str, address: str, now: datetime) -> FactorOutcome:
    """Spend a backup code in place of the authenticator app's. Each counts once.

    Wrong ones count with the app's wrong codes: one lock for both ways in.
    """
    device = lock_device(user_id)
    if device is None:
        return Rejected(Reason.NOT_ENROLLED)
    wait = wait_s(device, now)
    if wait:
        return Rejected(Reason.LOCKED, wait)
    rows = BackupCode.objects.filter(user_id=user_id, digest=_digest(user_id, code))
    if not rows.filter(used_at=None).update(used_at=now):
        reason = Reason.REUSED if rows.exists() else Reason.WRONG
        count_failure(device, now)
        event = failure_event(device, Method.BACKUP_CODE, reason, address)
        append_for_person(user_id, [event], now=now)
        return Rejected(reason, wait_s(device, now))
    TotpDevice.objects.filter(pk=device.pk).update(throttling_failure_count=0, throttling_failure_timestamp=None)
    left = BackupCode.objects.filter(user_id=user_id, used_at=None).count()
    event = person_event("backup_code.used", user_id, facts={"left": left}, payload=client(address))
    append_for_person(user_id, [event], now=now)
    return Accepted(Method.BACKUP_CODE, device.pk)


def _digest(user_id: UUID, code: str) -> bytes:
    key = keys.derive("backup-code", str(user_id))
    return keys.mac(key, backup_codes.normalise(code).encode())
