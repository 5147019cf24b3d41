"""The pure parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain import api_keys, backup_codes, totp
from accounts.domain.access import Access, needs_second_factor, require_verified
from accounts.domain.addresses import normalise_email
from accounts.domain.roles import Ability, Role, may, may_assign
from accounts.domain.throttle import retry_after_s
from core.problems import Problem

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RFC_SEED = totp.encode_seed(b"12345678901234567890")

TABLE = {
    "owner": set(Ability),
    "admin": set(Ability),
    "reviewer": {Ability.VIEW_QUEUE, Ability.DECIDE, Ability.MANAGE_AGENTS},
    "auditor": {Ability.VIEW_QUEUE, Ability.AUDIT},
    "member": {Ability.VIEW_QUEUE, Ability.MANAGE_AGENTS},
    "emperor": set(),
    "": set(),
}


@pytest.mark.parametrize(("role", "ability"), list(product(TABLE, Ability)))
def test_role_table(role: str, ability: Ability) -> None:
    assert may(role, ability) is (ability in TABLE[role])


@pytest.mark.parametrize(("role", "ability", "verified"), list(product(TABLE, Ability, (True, False))))
def test_require_verified_is_the_table_and_the_second_factor(role: str, ability: Ability, verified: bool) -> None:
    access = Access(uuid4(), uuid4(), uuid4(), role, verified, "totp" if verified else None, "", "", "")
    if role != "member" and not verified:
        expected = "second_factor_required"
    elif ability in TABLE[role]:
        assert require_verified(access, ability) is access
        return
    else:
        expected = "role_required"
    with pytest.raises(Problem) as refusal:
        require_verified(access, ability)
    assert (refusal.value.status, refusal.value.code) == (403, expected)


def test_nobody_is_401() -> None:
    with pytest.raises(Problem) as refusal:
        require_verified(None, Ability.VIEW_QUEUE)
    assert refusal.value.status == 401


def test_an_unknown_role_needs_a_second_factor() -> None:
    assert [role for role in Role if not needs_second_factor(role)] == [Role.MEMBER]
    assert needs_second_factor("emperor")


@pytest.mark.parametrize(
    ("actor", "old", "new", "allowed"),
    [
        ("owner", None, "owner", True),
        ("owner", "owner", "member", True),
        ("admin", None, "reviewer", True),
        ("admin", "admin", "owner", False),
        ("admin", "owner", "member", False),
        ("admin", "owner", None, False),
        ("admin", None, "owner", False),
        ("reviewer", None, "member", False),
        ("member", "member", "owner", False),
    ],
)
def test_only_owners_make_owners(actor: str, old: str | None, new: str | None, allowed: bool) -> None:
    assert may_assign(actor, old=old, new=new) is allowed


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_totp_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    assert totp.code_at(RFC_SEED, totp.step_at(moment)) == code


@pytest.mark.parametrize("offset", range(-4, 5))
def test_attack_40_window(offset: int) -> None:
    step = totp.step_at(NOW)
    code = totp.code_at(RFC_SEED, step + offset)
    found = totp.find_step(RFC_SEED, code, step=step, drift=1)
    assert found == (step + offset if abs(offset) <= 1 else None)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "٣٤٥٦٧٨", "abcdef", "xxxxxx", "-12345"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert totp.find_step(RFC_SEED, code, step=totp.step_at(NOW), drift=1) is None


def test_throttle_doubles_up_to_the_limit() -> None:
    waits = [retry_after_s(count, NOW, now=NOW, factor_s=1, limit_s=3600) for count in (0, 1, 2, 5, 99)]
    assert waits == [0, 1, 2, 16, 3600]
    later = NOW + timedelta(seconds=15.2)
    assert retry_after_s(5, NOW, now=later, factor_s=1, limit_s=3600) == 1


def test_throttle_does_not_trust_a_clock_that_went_back() -> None:
    before = NOW - timedelta(hours=1)
    assert retry_after_s(1, NOW, now=before, factor_s=1, limit_s=3600) > 3600


@pytest.mark.parametrize(
    "spelling",
    ["alice@example.org", " Alice@Example.ORG ", "ａｌｉｃｅ@example.org", "ALICE@example.org"],
)
def test_one_spelling_per_address(spelling: str) -> None:
    assert normalise_email(spelling) == "alice@example.org"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=8))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_email(text)
    assert normalise_email(once) == once


def test_backup_codes_are_distinct_and_forgiving() -> None:
    codes = {backup_codes.generate() for _ in range(200)}
    assert len(codes) == 200
    code = codes.pop()
    assert len(backup_codes.normalise(code)) == 12
    assert backup_codes.normalise(code.upper().replace("-", " ")) == backup_codes.normalise(code)
    assert backup_codes.normalise("OIL") == "011"


@given(st.integers(0, 39), st.sampled_from(api_keys.ALPHABET))
def test_attack_47_any_changed_character_breaks_the_checksum(position: int, char: str) -> None:
    key = api_keys.generate()
    changed = key[:position] + char + key[position + 1 :]
    assert api_keys.well_formed(changed) is (changed == key)
