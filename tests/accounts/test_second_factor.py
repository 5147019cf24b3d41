"""Attacks 40 and 41 on the services: codes count once, in their window, and cannot be guessed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections

from accounts import services
from accounts.domain import totp
from accounts.domain.factors import Accepted, Method, Reason, Rejected
from accounts.models import BackupCode, TotpDevice
from accounts.services import second_factor
from core.problems import Problem
from tests.accounts.cast import Cast, make_cast
from tests.accounts.recorded import last, types

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADDRESS = "192.0.2.7"
WRONG = "000000"


def verify(cast: Cast, code: str, at: datetime = NOW) -> Any:
    return services.verify_totp(user_id=cast.bob.id, code=code, address=ADDRESS, now=at)


def use_backup(cast: Cast, code: str, at: datetime = NOW) -> Any:
    return services.use_backup_code(user_id=cast.bob.id, code=code, address=ADDRESS, now=at)


def reason(outcome: Any) -> Reason:
    assert isinstance(outcome, Rejected)
    return outcome.reason


def test_attack_40_a_code_counts_once(cast: Cast) -> None:
    code = cast.code("bob", NOW)
    assert isinstance(verify(cast, code), Accepted)
    assert reason(verify(cast, code)) is Reason.REUSED
    later = NOW + timedelta(seconds=5)
    assert reason(verify(cast, code, later)) is Reason.REUSED
    # Nor the code before it, although its window is still open.
    assert reason(verify(cast, cast.code("bob", NOW - timedelta(seconds=30)), NOW + timedelta(seconds=9)))


def test_attack_40_outside_its_window(cast: Cast) -> None:
    for offset, at in ((-60, NOW), (60, NOW + timedelta(minutes=1))):
        assert reason(verify(cast, cast.code("bob", at + timedelta(seconds=offset)), at)) is Reason.WRONG
    at = NOW + timedelta(minutes=2)
    assert isinstance(verify(cast, cast.code("bob", at + timedelta(seconds=30)), at), Accepted)


def test_attack_40_guessing_is_locked(cast: Cast) -> None:
    at, looked_at = NOW, 0
    for _ in range(600):  # ten minutes, one guess a second
        outcome = verify(cast, WRONG, at)
        looked_at += outcome.reason is Reason.WRONG
        at += timedelta(seconds=1)
    assert looked_at <= 10
    # While locked, the right code does not count either, and its refusal says how long.
    locked = verify(cast, cast.code("bob", at), at)
    assert reason(locked) is Reason.LOCKED
    assert locked.retry_after_s > 0
    free = at + timedelta(seconds=locked.retry_after_s)
    assert isinstance(verify(cast, cast.code("bob", free), free), Accepted)
    assert TotpDevice.objects.get(user=cast.bob).throttling_failure_count == 0


def test_attack_40_the_lock_has_a_limit_and_holds_at_it(cast: Cast) -> None:
    TotpDevice.objects.filter(user=cast.bob).update(throttling_failure_count=500, throttling_failure_timestamp=NOW)
    almost = NOW + timedelta(seconds=3599)
    assert reason(verify(cast, cast.code("bob", almost), almost)) is Reason.LOCKED
    after = NOW + timedelta(seconds=3600)
    assert isinstance(verify(cast, cast.code("bob", after), after), Accepted)


def test_attack_40_a_stale_read_spends_nothing_twice(cast: Cast) -> None:
    """What a race would do: two checks read the device before either has written."""
    code = cast.code("bob", NOW)
    first = TotpDevice.objects.get(user=cast.bob)
    second = TotpDevice.objects.get(user=cast.bob)
    assert isinstance(second_factor._try_code(first, code, NOW), Accepted)
    assert reason(second_factor._try_code(second, code, NOW)) is Reason.REUSED


@pytest.mark.postgres
@pytest.mark.parametrize("right", [True, False])
def test_attack_40_41_under_concurrency(django_db_setup: None, django_db_blocker: Any, right: bool) -> None:
    with django_db_blocker.unblock(), cast_apart() as cast:
        codes = services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=NOW)
        code = cast.code("bob", NOW) if right else WRONG
        totp_outcomes = race(lambda: verify(cast, code))
        assert sum(isinstance(one, Accepted) for one in totp_outcomes) == right
        looked_at = sum(getattr(one, "reason", None) is not Reason.LOCKED for one in totp_outcomes)
        assert looked_at <= 2
        if right:
            after = NOW + timedelta(minutes=5)
            backup = race(lambda: use_backup(cast, codes[0], after))
            assert sum(isinstance(one, Accepted) for one in backup) == 1


@contextmanager
def cast_apart() -> Iterator[Cast]:
    """Make the cast outside a test's transaction; give its names back, since the log keeps its rows."""
    from accounts.models import Organization, User

    try:
        yield make_cast(NOW)
    finally:
        User.objects.filter(email__endswith="@example.org").update(email=None)
        for row in Organization.objects.filter(slug__in=("alices", "charlies")):
            Organization.objects.filter(pk=row.pk).update(slug=f"past-{row.id.hex}")


def race(attempt: Any, count: int = 8) -> list[Any]:
    barrier, outcomes = threading.Barrier(count), []

    def run() -> None:
        barrier.wait()
        try:
            outcomes.append(attempt())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == count
    return outcomes


def test_failures_are_recorded_and_lockouts_do_not_flood(cast: Cast) -> None:
    for _ in range(20):
        verify(cast, WRONG)
    assert types(cast.first.id).count("second_factor.failed") == 1
    record, payload = last(cast.first.id, "second_factor.failed")
    assert record["facts"]["reason"] == "wrong"
    assert record["facts"]["failures"] == 1
    assert payload == {"address": ADDRESS}


def test_the_seed_is_not_in_clear_in_the_database(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT seed FROM accounts_totpdevice")
        stored = b"".join(bytes(row[0]) for row in cursor.fetchall())
    assert cast.seeds["bob"].encode() not in stored
    assert totp.decode_seed(cast.seeds["bob"]) not in stored


def test_attack_41_a_backup_code_counts_once(cast: Cast) -> None:
    codes = services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=NOW)
    assert len(codes) == len(set(codes)) == 10
    outcome = use_backup(cast, codes[0].upper().replace("-", " "))
    assert outcome == Accepted(Method.BACKUP_CODE, TotpDevice.objects.get(user=cast.bob).pk)
    assert reason(use_backup(cast, codes[0])) is Reason.REUSED
    record, _ = last(cast.first.id, "backup_code.used")
    assert record["facts"]["left"] == 9
    # Another person's code is worth nothing.
    services.create_backup_codes(user_id=cast.dave.id, actor="system:test", now=NOW)
    later = NOW + timedelta(minutes=1)
    outcome = services.use_backup_code(user_id=cast.dave.id, code=codes[1], address=ADDRESS, now=later)
    assert reason(outcome) is Reason.WRONG


def test_attack_41_new_codes_end_the_old(cast: Cast) -> None:
    old = services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=NOW)
    new = services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=NOW)
    assert reason(use_backup(cast, old[3])) is Reason.WRONG
    assert isinstance(use_backup(cast, new[3], NOW + timedelta(minutes=1)), Accepted)
    assert BackupCode.objects.filter(user=cast.bob).count() == 10


def test_wrong_backup_codes_and_wrong_totp_codes_share_one_lock(cast: Cast) -> None:
    at = NOW
    for _ in range(6):
        use_backup(cast, "wrong", at)
        at += timedelta(seconds=40)
    assert TotpDevice.objects.get(user=cast.bob).throttling_failure_count == 6
    verify(cast, WRONG, at)
    assert reason(verify(cast, cast.code("bob", at), at)) is Reason.LOCKED
    codes = services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=at)
    assert reason(use_backup(cast, codes[0], at)) is Reason.LOCKED


def test_backup_codes_without_a_device_are_worth_nothing(cast: Cast) -> None:
    codes = services.create_backup_codes(user_id=cast.mallory.id, actor="system:test", now=NOW)
    outcome = services.use_backup_code(user_id=cast.mallory.id, code=codes[0], address=ADDRESS, now=NOW)
    assert reason(outcome) is Reason.NOT_ENROLLED


def enrol(cast: Cast, *, fresh: bool, at: datetime = NOW) -> Any:
    device = services.begin_totp_enrolment(user_id=cast.bob.id, fresh=fresh)
    return device, services.confirm_totp(
        user_id=cast.bob.id,
        device_id=device.pk,
        code=totp.code_at(device.seed, totp.step_at(at)),
        fresh=fresh,
        address=ADDRESS,
        now=at,
    )


def test_a_stolen_session_cannot_replace_the_device(cast: Cast) -> None:
    with pytest.raises(Problem) as refusal:
        services.begin_totp_enrolment(user_id=cast.bob.id, fresh=False)
    assert refusal.value.code == "second_factor_required"
    device = services.begin_totp_enrolment(user_id=cast.bob.id, fresh=True)
    with pytest.raises(Problem):
        services.confirm_totp(user_id=cast.bob.id, device_id=device.pk, code="1", fresh=False, address="", now=NOW)


def test_replacing_leaves_one_device_and_says_so(cast: Cast) -> None:
    device, outcome = enrol(cast, fresh=True)
    assert outcome == Accepted(Method.TOTP, device.pk)
    assert [row.pk for row in TotpDevice.objects.filter(user=cast.bob)] == [device.pk]
    assert types(cast.first.id)[-2:] == ["second_factor.removed", "second_factor.enrolled"]
    assert reason(verify(cast, cast.code("bob", NOW))) is Reason.WRONG


def test_a_seed_that_another_session_saw_cannot_be_confirmed(cast: Cast) -> None:
    seen = services.begin_totp_enrolment(user_id=cast.mallory.id, fresh=False)
    services.begin_totp_enrolment(user_id=cast.mallory.id, fresh=False)
    outcome = services.confirm_totp(
        user_id=cast.mallory.id,
        device_id=seen.pk,
        code=totp.code_at(seen.seed, totp.step_at(NOW)),
        fresh=False,
        address=ADDRESS,
        now=NOW,
    )
    assert reason(outcome) is Reason.NOT_ENROLLED


def test_the_code_that_confirmed_does_not_sign_in(cast: Cast) -> None:
    device, _ = enrol(cast, fresh=True)
    code = totp.code_at(device.seed, totp.step_at(NOW))
    assert reason(verify(cast, code)) is Reason.REUSED


def test_removal_needs_a_fresh_code(cast: Cast) -> None:
    services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=NOW)
    remove = {"user_id": cast.bob.id, "address": ADDRESS}
    assert reason(services.remove_totp(**remove, code=WRONG, now=NOW)) is Reason.WRONG
    assert TotpDevice.objects.filter(user=cast.bob).exists()
    later = NOW + timedelta(seconds=31)
    outcome = services.remove_totp(**remove, code=cast.code("bob", later), now=later)
    assert isinstance(outcome, Accepted)
    assert not TotpDevice.objects.filter(user=cast.bob).exists()
    assert not BackupCode.objects.filter(user=cast.bob).exists()
    assert types(cast.first.id)[-1] == "second_factor.removed"
