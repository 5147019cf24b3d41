"""What each service writes, and what it refuses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import services
from accounts.models import Agent, Membership, User
from accounts.selectors import find_user_by_email
from audit.domain.chain import verify_chain
from audit.selectors import get_log, iterate_stored
from core import keys
from core.problems import Problem
from tests.accounts.cast import PASSWORD, Cast
from tests.accounts.recorded import last, types

ACTOR = "system:test"


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def refused(code: str, service: Any, **arguments: Any) -> Problem:
    with pytest.raises(Problem) as refusal:
        service(**arguments)
    assert refusal.value.code == code
    return refusal.value


def test_the_casts_log_says_who_was_let_in_and_verifies(cast: Cast) -> None:
    assert types(cast.first.id) == [
        "organization.created",
        *["membership.added"] * 5,
        "agent.created",
        "api_key.created",
    ]
    log = get_log(cast.first.id)
    key = keys.derive("audit-mac", log.origin)
    report = verify_chain(iterate_stored(cast.first.id), origin=log.origin, mac_key=key)
    assert report.faults == ()


def test_names_and_addresses_are_in_payloads_only(cast: Cast) -> None:
    for row in iterate_stored(cast.first.id):
        text = row.raw.decode().lower()
        assert "example.org" not in text
        assert not any(name in text for name in ("alice", "bob", "deploy-bot", cast.key.prefix))
    record, payload = last(cast.first.id, "membership.added")
    assert record["facts"]["role"] == "member"
    assert record["facts"]["user"] == str(cast.mallory.id)
    assert payload == {"email": "mallory@example.org", "name": "Mallory"}


def test_an_address_has_one_account_however_it_is_spelled(cast: Cast, now: datetime) -> None:
    assert find_user_by_email(" ＡLICE@Example.org") == cast.alice
    arguments = {"password": PASSWORD, "actor": ACTOR, "now": now}
    taken = refused("invalid", services.create_user, email="ＡLICE@example.org", **arguments)
    assert taken.errors[0].code == "taken"
    refused("invalid", services.create_user, email="alice", **arguments)
    arguments["password"] = "password1234"
    refused("invalid", services.create_user, email="new@example.org", **arguments)


def test_passwords_are_hashed_past_72_bytes(cast: Cast, now: datetime) -> None:
    long = "x1 y2 z3 " * 9
    user = services.create_user(email="l@example.org", password=long, actor=ACTOR, now=now)
    assert user.password.startswith("bcrypt_sha256$")
    assert user.check_password(long)
    assert not user.check_password(long[:-1] + "!")


def test_the_last_owner_stays(cast: Cast, now: datetime) -> None:
    arguments = {
        "organization_id": cast.first.id,
        "membership_id": cast.memberships["alice"].id,
        "actor": cast.memberships["alice"].id.hex,
        "actor_role": "owner",
        "now": now,
    }
    before = types(cast.first.id)
    assert refused("last_owner", services.remove_membership, **arguments).status == 409
    refused("last_owner", services.change_role, role="admin", **arguments)
    assert types(cast.first.id) == before
    services.change_role(**{**arguments, "membership_id": cast.memberships["bob"].id}, role="owner")
    services.change_role(**arguments, role="admin")
    assert types(cast.first.id)[-2:] == ["membership.role_changed"] * 2


def test_an_admin_cannot_make_themselves_owner(cast: Cast, now: datetime) -> None:
    arguments = {
        "organization_id": cast.first.id,
        "actor": ACTOR,
        "actor_role": "admin",
        "now": now,
    }
    dave, alice = cast.memberships["dave"].id, cast.memberships["alice"].id
    refused("role_required", services.change_role, membership_id=dave, role="owner", **arguments)
    refused("role_required", services.change_role, membership_id=alice, role="member", **arguments)
    refused("role_required", services.remove_membership, membership_id=alice, **arguments)
    refused("role_required", services.add_membership, user=cast.charlie, role="owner", **arguments)
    refused("invalid", services.change_role, membership_id=dave, role="emperor", **arguments)


def test_memberships_of_another_organization_do_not_exist(cast: Cast, now: datetime) -> None:
    arguments = {
        "organization_id": cast.second.id,
        "membership_id": cast.memberships["bob"].id,
        "actor": ACTOR,
        "actor_role": "owner",
        "now": now,
    }
    assert refused("not_found", services.change_role, role="admin", **arguments).status == 404
    refused("not_found", services.remove_membership, **arguments)


def test_a_person_can_come_back_but_not_twice(cast: Cast, now: datetime) -> None:
    add = {
        "organization_id": cast.first.id,
        "user": cast.bob,
        "role": "member",
        "actor": ACTOR,
        "actor_role": "owner",
        "now": now,
    }
    refused("invalid", services.add_membership, **add)
    services.remove_membership(
        organization_id=cast.first.id,
        membership_id=cast.memberships["bob"].id,
        actor=ACTOR,
        actor_role="admin",
        now=now,
    )
    assert types(cast.first.id)[-2:] == ["membership.removed", "session.ended"]
    services.add_membership(**add)
    assert Membership.objects.filter(user=cast.bob).count() == 2


def test_agents(cast: Cast, now: datetime) -> None:
    make = {"organization_id": cast.first.id, "owner": cast.bob, "actor": ACTOR, "now": now}
    refused("invalid", services.create_agent, name="deploy-bot", **make)
    refused("invalid", services.create_agent, name="  ", **make)
    refused("invalid", services.create_agent, name="x", **{**make, "owner": cast.charlie})
    assert services.create_agent(name="ci", **make).owner == cast.bob
    off = {"organization_id": cast.first.id, "agent_id": cast.agent.id, "actor": ACTOR, "now": now}
    services.disable_agent(**off)
    services.disable_agent(**off)
    assert types(cast.first.id).count("agent.disabled") == 1
    refused("agent_disabled", services.create_api_key, created_by_id=None, **off)
    refused("not_found", services.disable_agent, **{**off, "organization_id": cast.second.id})


def test_keys(cast: Cast, now: datetime) -> None:
    make = {
        "organization_id": cast.first.id,
        "agent_id": cast.agent.id,
        "created_by_id": cast.alice.id,
        "actor": ACTOR,
        "now": now,
    }
    refused("invalid", services.create_api_key, expires_at=now, **make)
    refused("not_found", services.create_api_key, **{**make, "organization_id": cast.second.id})
    created = services.create_api_key(**make, expires_at=now + timedelta(days=1))
    assert created.text.startswith(created.row.prefix)
    record, _ = last(cast.first.id, "api_key.created")
    assert record["obj"] == f"key:{created.row.id}"
    assert created.text not in str(record)
    revoke = {
        "organization_id": cast.first.id,
        "key_id": created.row.id,
        "actor": ACTOR,
        "now": now,
    }
    services.revoke_api_key(**revoke)
    services.revoke_api_key(**revoke)
    assert types(cast.first.id).count("api_key.revoked") == 1
    refused("not_found", services.revoke_api_key, **{**revoke, "organization_id": cast.second.id})


def test_key_use_is_noted_now_and_then(cast: Cast, now: datetime, django_assert_num_queries: Any) -> None:
    services.touch_key_use(key=cast.key, now=now)
    cast.key.refresh_from_db()
    assert cast.key.last_used_at == now
    with django_assert_num_queries(0):
        services.touch_key_use(key=cast.key, now=now + timedelta(seconds=30))
    services.touch_key_use(key=cast.key, now=now + timedelta(seconds=61))
    cast.key.refresh_from_db()
    assert cast.key.last_used_at == now + timedelta(seconds=61)


def test_failed_sign_ins_go_to_the_log_they_concern(cast: Cast, now: datetime) -> None:
    attempt = {"address": "192.0.2.7", "locked": False, "now": now}
    services.record_sign_in_failure(email="nobody@example.org", **attempt)
    record, payload = last(None, "sign_in.failed")
    assert (record["actor"], record["obj"]) == ("anonymous:", "anonymous:")
    assert payload == {"email": "nobody@example.org", "address": "192.0.2.7"}
    assert "sign_in.failed" not in types(cast.first.id)
    services.record_sign_in_failure(email="Bob@example.org", **{**attempt, "locked": True})
    assert types(cast.first.id)[-2:] == ["sign_in.failed", "sign_in.locked"]
    assert "sign_in.failed" not in types(cast.second.id)


def test_somebody_in_two_organizations_is_recorded_in_both(cast: Cast, now: datetime) -> None:
    services.add_membership(
        organization_id=cast.second.id,
        user=cast.bob,
        role="member",
        actor=ACTOR,
        actor_role="owner",
        now=now,
    )
    services.create_backup_codes(user_id=cast.bob.id, actor=f"user:{cast.bob.id}", now=now)
    assert types(cast.first.id)[-1] == types(cast.second.id)[-1] == "backup_codes.created"
    # Which organization somebody signs in to is no other organization's business.
    services.record_sign_in(user_id=cast.bob.id, organization_id=cast.second.id, method="totp", address="", now=now)
    assert "sign_in.succeeded" not in types(cast.first.id)


def test_password_change_needs_the_old_one(cast: Cast, now: datetime) -> None:
    change = {
        "user": cast.bob,
        "actor": f"user:{cast.bob.id}",
        "address": "192.0.2.7",
        "now": now,
        "new": "a different long passphrase",
    }
    assert refused("invalid", services.change_password, current="x", **change).errors[0].pointer == "/current"
    services.change_password(current=PASSWORD, **change)
    row = User.objects.get(pk=cast.bob.id)
    assert row.check_password("a different long passphrase")
    assert row.sessions_valid_from == now
    assert types(cast.first.id)[-2:] == ["password.changed", "session.ended"]


def test_a_failed_append_fails_the_action(cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_arguments: Any) -> None:
        raise OSError

    monkeypatch.setattr("accounts.services.agents.append", broken)
    with pytest.raises(OSError):  # noqa: PT011 - only ours can be raised
        services.disable_agent(organization_id=cast.first.id, agent_id=cast.agent.id, actor=ACTOR, now=now)
    assert Agent.objects.get(pk=cast.agent.id).disabled_at is None


def test_organization_settings_stay_in_bounds(cast: Cast, now: datetime) -> None:
    change = {"organization_id": cast.first.id, "actor": ACTOR, "now": now}
    refused("invalid", services.change_organization, changes={"max_ttl_s": 9}, **change)
    services.change_organization(changes={"max_ttl_s": 600, "slug": "stolen"}, **change)
    record, payload = last(cast.first.id, "organization.changed")
    assert record["facts"]["max_ttl_s"] == 600
    assert payload is None
    cast.first.refresh_from_db()
    assert cast.first.slug == "alices"
