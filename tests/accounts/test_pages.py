"""Pages: who reaches them, what a refusal looks like, and what they do."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import sessions
from accounts.domain import totp
from accounts.models import ApiKey, BackupCode, TotpDevice, User
from tests.accounts.cast import PASSWORD, Cast
from tests.accounts.recorded import types

SECURITY = "/account/security/"
ENROL = "/account/security/authenticator/"
CODES = "/account/security/backup-codes/"
CHANGE = "/account/security/password/"


def urls(cast: Cast) -> list[str]:
    agent = f"/agents/{cast.agent.id}/"
    return [
        SECURITY,
        ENROL,
        CODES,
        CHANGE,
        "/account/organization/",
        "/account/preferences/",
        "/agents/",
        "/agents/new/",
        agent,
        f"{agent}keys/new/",
        f"{agent}keys/{cast.key.id}/revoke/",
    ]


def test_attack_48_nobody_gets_the_sign_in_page_in_place(cast: Cast) -> None:
    for url in urls(cast):
        for method in ("get", "post"):
            answer = getattr(Client(), method)(url)
            assert answer.status_code == 401, url
            assert answer.templates[0].name == "accounts/sign_in.html"
            assert answer.context["next"] == (url if method == "get" else "")
            assert answer["Cache-Control"] == "no-store"


def test_attack_48_another_organizations_owner_gets_404(cast: Cast) -> None:
    charlie = cast.client("charlie")
    for url in urls(cast):
        if str(cast.agent.id) in url:
            statuses = [getattr(charlie, method)(url).status_code for method in ("get", "post")]
            assert 404 in statuses, url
            assert set(statuses) <= {404, 405}, url
    own = f"/agents/{cast.other_agent.id}/keys/{cast.key.id}/revoke/"
    assert charlie.post(own).status_code == 404
    assert ApiKey.objects.get(pk=cast.key.id).revoked_at is None


def test_attack_42_page_without_a_second_factor(cast: Cast) -> None:
    TotpDevice.objects.all().delete()
    for name in ("alice", "dave", "bob", "erin"):
        client = cast.client(name)
        answer = client.get("/agents/")
        assert (answer.status_code, answer["Location"]) == (302, ENROL)
        answer = client.post("/agents/")
        assert answer.status_code == 403
        assert b"second factor" in answer.content
        assert client.get("/agents/", headers={"HX-Request": "true"}).status_code == 403
    # A plain member has nothing to decide and sees only their own.
    assert cast.client("mallory").get("/agents/").status_code == 200


def test_refusals_for_scripts_are_short(cast: Cast) -> None:
    answer = Client().get("/agents/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (401, b"Sign in first.")
    assert answer["Content-Type"].startswith("text/plain")
    answer = Client().get("/agents/", headers={"Accept": "application/json"})
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("name", ["bob", "erin", "mallory"])
def test_only_admins_make_agents_and_keys(cast: Cast, name: str) -> None:
    client = cast.client(name)
    for url in urls(cast)[-4:]:
        if url.endswith(f"{cast.agent.id}/"):
            continue
        answer = client.post(url, {"name": "x"})
        assert answer.status_code == 403, url
        assert answer.templates[0].name == "accounts/denied.html"
    assert "agent.created" not in types(cast.first.id)[8:]


def test_a_member_sees_only_their_own_agents(cast: Cast) -> None:
    mallory = cast.client("mallory")
    assert mallory.get("/agents/").context["agents"] == []
    assert mallory.get(f"/agents/{cast.agent.id}/").status_code == 404
    assert [row.name for row in cast.client("bob").get("/agents/").context["agents"]] == ["deploy-bot"]


@pytest.mark.parametrize(("name", "queries"), [("bob", 3), ("mallory", 3)])
def test_page_access_costs_one_query_more_than_the_session(
    cast: Cast, name: str, queries: int, django_assert_num_queries: Any
) -> None:
    client = cast.client(name)
    with django_assert_num_queries(queries):  # session, access, time zone's update
        client.post("/account/preferences/", {"time_zone": "Europe/Berlin"})


def test_access_for_a_socket_costs_two_queries(cast: Cast, django_assert_num_queries: Any) -> None:
    session = cast.client("bob").session
    with django_assert_num_queries(2):
        access = sessions.access_for_session(session)
    assert access is not None
    assert (access.verified, access.second_factor) == (True, "totp")


def test_nobody_costs_no_query(db: None, django_assert_num_queries: Any) -> None:
    del db
    with django_assert_num_queries(0):
        Client().get("/agents/")


def test_enrolment_from_the_first_sign_in(cast: Cast) -> None:
    TotpDevice.objects.filter(user=cast.bob).delete()
    client = Client()
    client.post("/sign-in/", {"email": "bob@example.org", "password": PASSWORD})
    page = client.get(ENROL)
    seed = page.context["secret_grouped"].replace(" ", "")
    assert page.context["qr_data_uri"].startswith("data:image/svg+xml")
    assert seed in page.content.decode().replace(" ", "")
    assert client.get(ENROL).context["secret_grouped"].replace(" ", "") == seed
    key = client.session.session_key
    assert client.post(ENROL, {"code": "000000"}).status_code == 401
    TotpDevice.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(minutes=1))
    done = client.post(ENROL, {"code": totp.code_at(seed, totp.step_at(timezone.now()))})
    assert done.templates[0].name == "accounts/backup_codes.html"
    assert len(done.context["codes"]) == 10
    assert done["Cache-Control"] == "no-store"
    assert client.session.session_key != key
    assert client.get("/agents/").status_code == 200
    assert types(cast.first.id)[-2:] == ["second_factor.enrolled", "backup_codes.created"]
    assert client.post(CODES, {"action": "saved", "saved": "on"})["Location"] == "/"


def test_replacing_the_device_asks_for_a_code_first(cast: Cast) -> None:
    client = cast.client("bob")
    session = client.session
    session[sessions.VERIFIED_AT] = (timezone.now() - timedelta(minutes=11)).isoformat()
    session.save()
    for url in (ENROL, CODES):
        for method in ("get", "post"):
            answer = getattr(client, method)(url, {"code": "1", "action": "create"})
            assert answer.status_code == 302
            assert answer["Location"].startswith("/sign-in/verify/?next=")
    assert not TotpDevice.objects.filter(user=cast.bob, confirmed=False).exists()
    assert not BackupCode.objects.exists()
    answer = client.post("/sign-in/verify/", {"code": cast.code("bob"), "next": ENROL})
    assert answer["Location"] == ENROL
    assert client.get(ENROL).status_code == 200
    # Asking for codes twice in ten minutes does not ask for the phone twice.
    assert client.post(CODES, {"action": "create"}).status_code == 200


def test_the_device_in_use_is_not_shown_again(cast: Cast) -> None:
    client = cast.client("bob")
    assert cast.seeds["bob"] not in client.get(ENROL).content.decode().replace(" ", "")
    assert cast.seeds["bob"] not in client.get(SECURITY).content.decode()


def test_password_page_says_what_is_wrong(cast: Cast) -> None:
    client = cast.client("bob")
    new = "a different long passphrase"
    wrong = client.post(CHANGE, {"current": "nope", "new": new, "again": new})
    assert wrong.status_code == 422
    assert "current" in wrong.context["form"].errors
    assert client.post(CHANGE, {"current": PASSWORD, "new": new, "again": "x"}).status_code == 422
    weak = client.post(CHANGE, {"current": PASSWORD, "new": "password1", "again": "password1"})
    assert "new" in weak.context["form"].errors
    assert new not in wrong.content.decode()
    assert client.get("/agents/").status_code == 200


def test_security_and_preferences(cast: Cast) -> None:
    client = cast.client("bob")
    page = client.get(SECURITY)
    assert [device.name for device in page.context["devices"]] == ["Phone"]
    client.post("/account/preferences/", {"time_zone": "Europe/Berlin"})
    assert User.objects.get(pk=cast.bob.pk).time_zone == "Europe/Berlin"
    client.post("/account/preferences/", {"time_zone": "../../etc/passwd"})
    assert User.objects.get(pk=cast.bob.pk).time_zone == "Europe/Berlin"


def test_agents_and_keys_by_an_admin(cast: Cast) -> None:
    dave = cast.client("dave")
    assert dave.post("/agents/new/", {"name": "deploy-bot"}).status_code == 422
    made = dave.post("/agents/new/", {"name": "ci", "description": "Builds"})
    url = made["Location"]
    shown = dave.post(f"{url}keys/new/", {"name": "runner", "expires": "90"})
    key = re.search(r"exp_[0-9A-Za-z]{36}", shown.content.decode())
    assert key is not None
    assert shown["Cache-Control"] == "no-store"
    row = ApiKey.objects.get(prefix=key.group()[:12])
    assert row.created_by == cast.dave
    page = dave.get(url)
    assert key.group() not in page.content.decode()
    assert [(one.name, one.status) for one in page.context["keys"]] == [("runner", "active")]
    assert dave.post(f"{url}keys/new/", {"expires": "9999"}).status_code == 422
    assert dave.post(f"{url}keys/{row.id}/revoke/").status_code == 302
    assert [one.status for one in dave.get(url).context["keys"]] == ["revoked"]
    assert types(cast.first.id)[-3:] == ["agent.created", "api_key.created", "api_key.revoked"]


def test_hostile_names_are_escaped(cast: Cast) -> None:
    dave = cast.client("dave")
    made = dave.post("/agents/new/", {"name": "<script>alert(1)</script>"})
    for url in ("/agents/", made["Location"]):
        assert b"<script>alert(1)" not in dave.get(url).content


def test_the_qr_code_is_inline_and_no_script(cast: Cast) -> None:
    uri = cast.client("mallory").get(ENROL).context["qr_data_uri"]
    assert "base64" not in uri or b"<script" not in base64.b64decode(uri.split(",")[1])
    assert "script" not in uri
