"""Django admin: the own organization only, a second factor, and every write through a service."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import Agent, ApiKey, Membership, Organization, TotpDevice
from tests.accounts.cast import Cast
from tests.accounts.recorded import types

MODELS = ("membership", "agent", "apikey", "organization")


def admin(model: str, rest: str = "") -> str:
    return f"/admin/accounts/{model}/{rest}"


def test_attack_42_admin_without_a_second_factor(cast: Cast) -> None:
    TotpDevice.objects.all().delete()
    for name in ("alice", "dave"):
        for model in MODELS:
            assert cast.client(name).get(admin(model)).status_code != 200


@pytest.mark.parametrize("name", ["bob", "erin", "mallory"])
def test_admin_is_for_admins(cast: Cast, name: str) -> None:
    client = cast.client(name)
    for url in ("/admin/", *(admin(model) for model in MODELS)):
        assert client.get(url).status_code != 200
    assert Client().get(admin("agent")).status_code != 200


@pytest.mark.parametrize("name", ["alice", "dave"])
def test_admins_see_their_organization_only(cast: Cast, name: str) -> None:
    client = cast.client(name)
    assert client.get("/admin/").status_code == 200
    for model in MODELS:
        page = client.get(admin(model)).content.decode()
        assert "charlie" not in page.lower()
    charlies = {
        "membership": cast.memberships["charlie"].pk,
        "agent": cast.other_agent.pk,
        "apikey": cast.other_key.pk,
        "organization": cast.second.pk,
    }
    for model, key in charlies.items():
        for method in ("get", "post"):
            answer = getattr(client, method)(admin(model, f"{key}/change/"))
            assert answer.status_code in {302, 403, 404}
            assert answer.status_code != 302 or "change" not in answer["Location"]
        for rest in ("delete/", "history/"):
            assert client.get(admin(model, f"{key}/{rest}")).status_code in {302, 403, 404}
    assert Organization.objects.get(pk=cast.second.pk).name == "Charlie's"


def test_actions_do_not_reach_another_organization(cast: Cast) -> None:
    client = cast.client("alice")
    for model, action, key in (
        ("apikey", "revoke", cast.other_key.pk),
        ("agent", "disable", cast.other_agent.pk),
        ("membership", "remove", cast.memberships["charlie"].pk),
        ("agent", "delete_selected", cast.agent.pk),
    ):
        client.post(admin(model), {"action": action, "_selected_action": [str(key)]})
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
    assert Agent.objects.filter(disabled_at=None).count() == 2
    assert Membership.objects.filter(removed_at=None).count() == 6


def test_a_key_is_shown_once_and_kept_nowhere(cast: Cast) -> None:
    client = cast.client("dave")
    form = {"agent": str(cast.agent.pk), "name": "ci", "expires_at_0": "", "expires_at_1": ""}
    shown = client.post(admin("apikey", "add/"), form)
    key = re.search(r"exp_[0-9A-Za-z]{36}", shown.content.decode())
    assert key is not None
    assert "no-store" in shown["Cache-Control"]
    assert key.group() not in str(dict(client.session.items()))
    assert key.group() not in client.get(admin("apikey")).content.decode()
    header = {"Authorization": f"Bearer {key.group()}"}
    assert Client().get("/api/v1/agent/", headers=header).status_code == 200
    row = ApiKey.objects.get(prefix=key.group()[:12])
    assert (row.created_by, row.organization) == (cast.dave, cast.first)
    client.post(admin("apikey"), {"action": "revoke", "_selected_action": [str(row.pk)]})
    assert types(cast.first.id)[-2:] == ["api_key.created", "api_key.revoked"]
    other = {**form, "agent": str(cast.other_agent.pk)}
    assert client.post(admin("apikey", "add/"), other).status_code == 200
    assert ApiKey.objects.filter(agent=cast.other_agent).count() == 1


def test_agents(cast: Cast) -> None:
    client = cast.client("dave")
    form = {"name": "ci", "description": "", "owner": str(cast.bob.pk)}
    client.post(admin("agent", "add/"), form)
    agent = Agent.objects.get(name="ci")
    assert (agent.owner, agent.organization) == (cast.bob, cast.first)
    client.post(admin("agent", "add/"), {**form, "name": "ci2", "owner": str(cast.charlie.pk)})
    client.post(admin("agent", "add/"), form)
    assert Agent.objects.filter(organization=cast.first).count() == 2
    client.post(admin("agent"), {"action": "disable", "_selected_action": [str(agent.pk)]})
    assert types(cast.first.id)[-2:] == ["agent.created", "agent.disabled"]


def test_members(cast: Cast) -> None:
    client = cast.client("dave")
    client.post(admin("membership", "add/"), {"email": "Charlie@example.org", "role": "reviewer"})
    row = Membership.objects.get(organization=cast.first, user=cast.charlie)
    client.post(admin("membership", f"{row.pk}/change/"), {"role": "auditor"})
    row.refresh_from_db()
    assert row.role == "auditor"
    client.post(admin("membership"), {"action": "remove", "_selected_action": [str(row.pk)]})
    row.refresh_from_db()
    assert row.removed_at is not None
    assert types(cast.first.id)[-4:] == [
        "membership.added",
        "membership.role_changed",
        "membership.removed",
        "session.ended",
    ]


def test_an_admin_cannot_raise_themselves_nor_end_the_owner(cast: Cast) -> None:
    client, before = cast.client("dave"), types(cast.first.id)
    dave, alice = cast.memberships["dave"], cast.memberships["alice"]
    answer = client.post(admin("membership", f"{dave.pk}/change/"), {"role": "owner"}, follow=True)
    assert b"Only an owner makes" in answer.content
    client.post(admin("membership", f"{alice.pk}/change/"), {"role": "member"})
    client.post(admin("membership"), {"action": "remove", "_selected_action": [str(alice.pk)]})
    owner = cast.client("alice")
    owner.post(admin("membership"), {"action": "remove", "_selected_action": [str(alice.pk)]})
    assert types(cast.first.id) == before
    roles = dict(Membership.objects.filter(organization=cast.first).values_list("user__name", "role"))
    assert (roles["Dave"], roles["Alice"]) == ("admin", "owner")


def test_organization(cast: Cast) -> None:
    client = cast.client("dave")
    url = admin("organization", f"{cast.first.pk}/change/")
    form = {"name": "First", "max_ttl_s": "600", "trusted_directories": "[]", "slug": "stolen"}
    client.post(url, form)
    cast.first.refresh_from_db()
    assert (cast.first.name, cast.first.max_ttl_s, cast.first.slug) == ("First", 600, "alices")
    assert not cast.first.allow_unbound_names
    assert types(cast.first.id)[-1] == "organization.changed"
    client.post(url, {**form, "max_ttl_s": "5"})
    cast.first.refresh_from_db()
    assert cast.first.max_ttl_s == 600
    assert client.get(admin("organization", "add/")).status_code == 403


def test_removal_ends_the_admins_session(cast: Cast) -> None:
    client = cast.client("dave")
    services.remove_membership(
        organization_id=cast.first.id,
        membership_id=cast.memberships["dave"].id,
        actor="system:test",
        actor_role="owner",
        now=timezone.now(),
    )
    assert client.get(admin("agent")).status_code != 200
