"""Signing in and out through the pages: attacks 45 and 46, and the half session between."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services, sessions
from accounts.models import Membership, TotpDevice
from accounts.sessions import access_for_session
from tests.accounts.cast import PASSWORD, Cast, enter
from tests.accounts.recorded import last, types

SIGN_IN, VERIFY = "/sign-in/", "/sign-in/verify/"
SECURITY = "/account/security/"


def password(client: Client, email: str, given: str = PASSWORD, **more: str) -> Any:
    return client.post(SIGN_IN, {"email": email, "password": given, **more})


def sign_in(client: Client, cast: Cast, name: str) -> Any:
    password(client, f"{name}@example.org")
    return client.post(VERIFY, {"method": "totp", "code": cast.code(name)})


def where(client: Client) -> Any:
    return client.get("/agents/").context["access"]["organization"]["id"]


def plain(response: Any) -> str:
    """Return the page without what differs by request: the token, and what was typed."""
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", response.content.decode())
    return re.sub(r'value="[^"]*@[^"]*"', "", text)


def test_password_then_code(cast: Cast) -> None:
    client = Client()
    half = password(client, " Bob@Example.org", next="/agents/")
    assert half.status_code == 302
    assert half["Location"] == f"{VERIFY}?next=%2Fagents%2F"
    answer = client.post(VERIFY, {"method": "totp", "code": cast.code("bob"), "next": "/agents/"})
    assert (answer.status_code, answer["Location"]) == (302, "/agents/")
    assert client.get("/agents/").status_code == 200
    record, payload = last(cast.first.id, "sign_in.succeeded")
    assert record["facts"]["method"] == "totp"
    assert payload == {"address": "127.0.0.1"}


def test_a_half_session_reaches_nothing(cast: Cast) -> None:
    client = Client()
    password(client, "bob@example.org")
    assert SESSION_KEY not in client.session
    for url in ("/agents/", SECURITY, "/account/security/authenticator/", "/admin/"):
        assert client.get(url).status_code in {302, 401}, url
    assert client.get("/agents/").status_code == 401
    assert client.post("/account/organization/").status_code == 401
    assert access_for_session(client.session) is None


def test_a_half_session_ends(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    password(client, "bob@example.org")
    monkeypatch.setattr(sessions, "HALF_AGE", timedelta(0))
    assert client.post(VERIFY, {"code": cast.code("bob")}).status_code == 401


def test_a_half_session_ends_with_a_new_password(cast: Cast) -> None:
    client = Client()
    password(client, "bob@example.org")
    cast.bob.set_password("something else entirely")
    cast.bob.save()
    assert client.post(VERIFY, {"code": cast.code("bob")}).status_code == 401


def test_a_backup_code_signs_in_once(cast: Cast) -> None:
    codes = services.create_backup_codes(user_id=cast.bob.id, actor="system:test", now=timezone.now())
    for expected in (302, 401):
        client = Client()
        password(client, "bob@example.org")
        assert client.get(f"{VERIFY}?method=backup").context["method"] == "backup"
        answer = client.post(VERIFY, {"method": "backup", "code": codes[0]})
        assert answer.status_code == expected
    assert last(cast.first.id, "sign_in.succeeded")[0]["facts"]["method"] == "backup_code"


def test_attack_40_wrong_codes_on_the_page_lock(cast: Cast) -> None:
    client = Client()
    password(client, "bob@example.org")
    first = client.post(VERIFY, {"code": "000000"})
    second = client.post(VERIFY, {"code": cast.code("bob")})
    assert (first.status_code, second.status_code) == (401, 429)
    assert int(second["Retry-After"]) >= 1
    assert client.get("/agents/").status_code == 401


def test_attack_45_the_answers_do_not_tell_who_has_an_account(cast: Cast) -> None:
    cast.erin.is_active = False
    cast.erin.save()
    unknown = password(Client(), "nobody@example.org", "wrong password")
    known = password(Client(), "bob@example.org", "wrong password")
    inactive = password(Client(), "erin@example.org")
    malformed = password(Client(), "not an address", "x")
    assert {answer.status_code for answer in (unknown, known, inactive, malformed)} == {401}
    assert plain(unknown) == plain(known) == plain(inactive)
    for answer in (unknown, known):
        assert SESSION_KEY not in answer.client.session
    assert unknown.headers.keys() == known.headers.keys()


def test_attack_45_unknown_accounts_cost_as_many_hashes(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time, counted in what takes it: runs of bcrypt. A clock would make a test that fails by chance."""
    from tests.hashers import QuickBCryptSHA256PasswordHasher as Hasher

    runs: list[str] = []
    encode = Hasher.encode
    monkeypatch.setattr(Hasher, "encode", lambda self, *given: runs.append("run") or encode(self, *given))
    counts = {}
    cast.erin.set_unusable_password()
    cast.erin.save()
    for email in ("nobody@example.org", "bob@example.org", "erin@example.org"):
        runs.clear()
        password(Client(), email, "wrong password")
        counts[email] = len(runs)
    assert set(counts.values()) == {1}, counts


def test_attack_45_a_lock_is_the_same_for_unknown_accounts(cast: Cast) -> None:
    answers = {}
    for email in ("nobody@example.org", "Bob@example.org"):
        for _ in range(8):
            answer = password(Client(), email, "wrong password")
        assert answer.status_code == 429
        answers[email] = password(Client(), email.lower(), PASSWORD)
    unknown, known = answers.values()
    assert unknown.status_code == known.status_code == 429
    assert unknown["Retry-After"] == known["Retry-After"] == "900"
    assert plain(unknown) == plain(known)
    assert types(cast.first.id).count("sign_in.locked") == 1
    # Another account from the same address, and the same account from another, go on.
    assert password(Client(), "dave@example.org").status_code == 302
    assert password(Client(REMOTE_ADDR="192.0.2.9"), "bob@example.org").status_code == 302


def test_signing_in_clears_the_count(cast: Cast) -> None:
    for _ in range(7):
        password(Client(), "bob@example.org", "wrong password")
    assert sign_in(Client(), cast, "bob").status_code == 302
    assert password(Client(), "bob@example.org", "wrong password").status_code == 401


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "x" * 3000,
    ],
)
def test_next_stays_on_this_site(cast: Cast, target: str) -> None:
    client = Client()
    assert password(client, "bob@example.org", next=target)["Location"] == VERIFY
    answer = client.post(VERIFY, {"code": cast.code("bob"), "next": target})
    assert answer["Location"] == "/"


def test_sign_in_is_by_post_with_a_csrf_token(cast: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert password(strict, "bob@example.org").status_code == 403
    query = f"{SIGN_IN}?email=bob@example.org&password={PASSWORD}"
    Client().get(query)
    assert "sign_in.succeeded" not in types(cast.first.id)
    assert Client().get("/sign-out/").status_code == 405


def test_attack_46_the_key_changes_at_each_step(cast: Cast) -> None:
    client = Client()
    planted = client.session
    planted["planted"] = "by the attacker"
    planted.save()
    client.cookies["expacti_session"] = planted.session_key
    keys = [planted.session_key]
    password(client, "bob@example.org")
    keys.append(client.session.session_key)
    client.post(VERIFY, {"code": cast.code("bob")})
    keys.append(client.session.session_key)
    assert len(set(keys)) == 3
    assert set(Session.objects.values_list("session_key", flat=True)) == {keys[2]}
    assert "planted" not in client.session


def test_attack_46_the_key_changes_without_a_second_factor_too(cast: Cast) -> None:
    client = Client()
    planted = client.session
    planted.save()
    client.cookies["expacti_session"] = planted.session_key
    assert password(client, "mallory@example.org").status_code == 302
    assert client.session.session_key != planted.session_key
    assert not client.session.exists(planted.session_key)


def test_attack_46_signing_out_kills_the_session(cast: Cast) -> None:
    client = cast.client("bob")
    key = client.session.session_key
    before = client.session
    assert access_for_session(before) is not None
    assert client.post("/sign-out/").status_code == 302
    assert not Session.objects.filter(session_key=key).exists()
    assert access_for_session(before) is None
    thief = Client()
    thief.cookies["expacti_session"] = key
    assert thief.get("/agents/").status_code == 401
    assert last(cast.first.id, "session.ended")[0]["facts"]["reason"] == "signed_out"


def test_attack_46_a_password_change_kills_the_others(cast: Cast, django_capture_on_commit_callbacks: Any) -> None:
    mine, other = cast.client("bob"), cast.client("bob")
    stale = other.session
    new = "a different long passphrase"
    with django_capture_on_commit_callbacks() as callbacks:
        answer = mine.post("/account/security/password/", {"current": PASSWORD, "new": new, "again": new})
    assert answer.status_code == 302
    assert len(callbacks) == 1
    assert mine.get("/agents/").status_code == 200
    assert other.get("/agents/").status_code == 401
    assert access_for_session(stale) is None


def test_attack_46_each_reason_alone_kills_a_session(cast: Cast) -> None:
    def alive() -> bool:
        client = cast.client("bob")
        session = client.session
        change()
        page = client.get("/agents/").status_code
        access = access_for_session(session)
        assert (access is not None and access.verified) is (page == 200)
        undo()
        return page == 200

    bob, member = cast.bob, Membership.objects.filter(pk=cast.memberships["bob"].pk)
    device = TotpDevice.objects.filter(user=bob)
    users, now = type(bob).objects.filter(pk=bob.pk), timezone.now()
    cases: dict[str, tuple[Any, Any]] = {
        "nothing": (lambda: None, lambda: None),
        "removed": (
            lambda: member.update(removed_at=now),
            lambda: member.update(removed_at=None),
        ),
        "inactive": (lambda: users.update(is_active=False), lambda: users.update(is_active=True)),
        "valid from": (
            lambda: users.update(sessions_valid_from=timezone.now()),
            lambda: users.update(sessions_valid_from=None),
        ),
        "hash": (lambda: users.update(password="x"), lambda: users.update(password=bob.password)),
        "device": (lambda: device.update(confirmed=False), lambda: device.update(confirmed=True)),
    }
    verdicts = {}
    for name, (change, undo) in cases.items():  # noqa: B007 - used by the closure
        verdicts[name] = alive()
    # Without any device a session is left, but it can only enrol one.
    assert verdicts == {name: name == "nothing" for name in cases}


def test_attack_46_a_session_ends_however_busy(cast: Cast) -> None:
    client = cast.client("bob")
    session = client.session
    old = timezone.now() - timedelta(hours=13)
    session[sessions.SIGNED_IN_AT] = old.isoformat()
    session.save()
    assert client.get("/agents/").status_code == 401


def test_a_session_from_before_the_second_factor_ends_with_it(cast: Cast) -> None:
    client = cast.client("bob", verified=False)
    assert client.get("/agents/").status_code == 401


def test_a_session_cannot_borrow_anothers_device(cast: Cast) -> None:
    client = cast.client("bob")
    session = client.session
    session[sessions.DEVICE] = TotpDevice.objects.get(user=cast.alice).pk
    session.save()
    assert client.get("/agents/").status_code == 401


def test_a_session_knows_its_user(cast: Cast) -> None:
    session = cast.client("bob").session
    assert access_for_session(session, cast.bob) is not None
    assert access_for_session(session, cast.alice) is None
    assert access_for_session(None) is None


def test_switching_organization(cast: Cast) -> None:
    now = timezone.now()
    add = {"organization_id": cast.second.id, "actor": "system:test", "actor_role": "owner"}
    services.add_membership(user=cast.bob, role="reviewer", now=now, **add)
    services.add_membership(user=cast.mallory, role="reviewer", now=now, **add)
    url = reverse("organization-switch")
    bob = cast.client("bob")
    before = bob.session
    assert bob.post(url, {"organization": str(cast.second.id)}).status_code == 302
    assert where(bob) == cast.second.id
    assert bob.session.session_key != before.session_key
    assert access_for_session(before) is None
    assert types(cast.first.id)[-1] == "session.ended"
    assert last(cast.second.id, "sign_in.succeeded")[0]["facts"]["method"] == "switch"
    # The other organization's rule counts: a reviewer there needs a second factor.
    mallory = cast.client("mallory")
    assert mallory.post(url, {"organization": str(cast.second.id)}).status_code == 403
    assert where(mallory) == cast.first.id
    # Somebody else's, or none, does not exist.
    for wanted in (str(cast.second.id), "x", ""):
        assert cast.client("dave").post(url, {"organization": wanted}).status_code == 404
    assert bob.get(url).status_code == 405


def test_somebody_without_an_organization_is_told_so(cast: Cast) -> None:
    services.remove_membership(
        organization_id=cast.first.id,
        membership_id=cast.memberships["mallory"].id,
        actor="system:test",
        actor_role="owner",
        now=timezone.now(),
    )
    client = Client()
    assert password(client, "mallory@example.org").status_code == 403
    assert client.get("/agents/").status_code == 401


def test_signing_in_as_somebody_else_keeps_nothing(cast: Cast) -> None:
    client = cast.client("alice")
    password(client, "mallory@example.org")
    assert client.get("/agents/").context["access"]["user"]["name"] == "Mallory"
    enter(client, cast.alice, cast.first)
    password(client, "bob@example.org")
    assert client.get("/agents/").status_code == 401
