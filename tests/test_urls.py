"""Attack 48: every URL, as nobody and as another organization's owner. A new URL joins the table.

Nobody gets 401, whatever the method. What belongs to the first organization does not exist for the
second's owner: 404, never 403.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from approvals.models import ApprovalPolicy, Decision
from approvals.services.queues import open_queue
from audit.models import AuditEvent
from audit.selectors import get_log
from tests.accounts.cast import ACTOR, Cast, make_cast
from tests.approvals.factories import AgentClient, allow, submit, vote

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
API = "api/v1/"
GET, POST, PATCH, DELETE = "get", "post", "patch", "delete"


@dataclass(frozen=True)
class Entry:
    """What a URL answers to nobody, and whether it names an object of the first organization."""

    methods: tuple[str, ...] = (GET,)
    nobody: int = 401
    public: bool = False
    names: str = ""
    agents_only: bool = False


def public(*methods: str, nobody: int = 200) -> Entry:
    return Entry(methods or (GET,), nobody, public=True)


def admin(*methods: str, names: str = "") -> Entry:
    return Entry(methods or (GET,), names=names)


TABLE: dict[str, Entry] = {
    # pages
    "": Entry(),
    "queue/list/": Entry(),
    "queue/cards/<uuid:command_id>/": Entry(names="command"),
    "commands/": Entry(),
    "commands/<uuid:command_id>/": Entry(names="command"),
    "commands/<uuid:command_id>/decide/": Entry((POST,), names="command"),
    "commands/<uuid:command_id>/whitelist/": Entry((GET, POST), names="command"),
    "sign-in/": public(GET),
    "sign-in/verify/": public(GET, nobody=401),  # nobody's password was right yet
    "sign-out/": public(POST, nobody=302),
    "account/security/": Entry(),
    "account/security/authenticator/": Entry((GET, POST)),
    "account/security/backup-codes/": Entry((GET, POST)),
    "account/security/password/": Entry((GET, POST)),
    "account/organization/": Entry((POST,)),
    "account/preferences/": Entry((GET, POST)),
    "agents/": Entry(),
    "agents/new/": Entry((GET, POST)),
    "agents/<uuid:agent_id>/": Entry(names="agent"),
    "agents/<uuid:agent_id>/keys/new/": Entry((GET, POST), names="agent"),
    "agents/<uuid:agent_id>/keys/<uuid:key_id>/revoke/": Entry((POST,), names="agent"),
    "audit/": Entry(),
    # the API
    API + "agent/": Entry(agents_only=True),
    API + "api-keys/": Entry((GET, POST)),
    API + "api-keys/<uuid:key_id>/": Entry((DELETE,), names="key"),
    API + "commands/": Entry((GET, POST)),
    API + "commands/<uuid:command_id>/": Entry(names="command"),
    API + "commands/<uuid:command_id>/release/": Entry((POST,), names="command", agents_only=True),
    API + "commands/<uuid:command_id>/result/": Entry((POST,), names="command", agents_only=True),
    API + "commands/<uuid:command_id>/cancel/": Entry((POST,), names="command", agents_only=True),
    API + "commands/<uuid:command_id>/decisions/": Entry((POST,), names="command"),
    API + "whitelist/rules/": Entry((GET, POST)),
    API + "whitelist/rules/<uuid:rule_id>/": Entry((GET, DELETE), names="rule"),
    API + "whitelist/simulate/": Entry((POST,)),
    API + "policies/": Entry(),
    API + "policies/<uuid:policy_id>/": Entry((PATCH,), names="policy"),
    API + "audit/events/": Entry(),
    API + "audit/export/": Entry(),
    API + "schema/": public(),
    # operations
    "healthz": public(),
    "readyz": public(),
    ".well-known/security.txt": public(),
    ".well-known/expacti-grant-keys.json": public(),
    "admin/": admin(),
    "admin/login/": Entry(),
    "admin/logout/": Entry((GET, POST)),
    "admin/password_change/": admin(),
    "admin/password_change/done/": admin(),
    "admin/autocomplete/": admin(),
    "admin/jsi18n/": admin(),
    "admin/r/<path:content_type_id>/<path:object_id>/": admin(),
    "admin/^(?P<app_label>audit|accounts|approvals|whitelist)/$": admin(),
    "admin/(?P<url>.*)$": admin(),
}
ADMIN_MODELS = {
    "audit/auditevent": "event",
    "accounts/membership": "membership",
    "accounts/agent": "agent",
    "accounts/apikey": "key",
    "accounts/organization": "organization",
    "approvals/commandrequest": "command",
    "approvals/decision": "decision",
    "approvals/approvalpolicy": "policy",
    "approvals/queuestate": "organization",
    "whitelist/whitelistrule": "rule",
}
for _model, _object in ADMIN_MODELS.items():
    TABLE[f"admin/{_model}/"] = admin(GET, POST)
    TABLE[f"admin/{_model}/add/"] = admin(GET, POST)
    for _page in ("history/", "delete/", "change/", ""):
        TABLE[f"admin/{_model}/<path:object_id>/{_page}"] = admin(GET, POST, names=_object)

BODIES: dict[str, Any] = {
    "release": {"release_nonce": "0" * 32, "digest": "0" * 64},
    "result": {"exit_code": 0, "duration_ms": 1},
    "decisions": {"verdict": "approve", "digest": "0" * 64, "reason": "mine"},
    "decide": {"verdict": "approve", "digest": "0" * 64, "reason": "mine"},
    "policies": {"required_approvals": 1},
}


def routes(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)


@pytest.fixture
def objects(db: None) -> dict[str, Any]:
    """One object of each kind in the first organization, and the cast."""
    now = timezone.now()
    cast: Cast = make_cast(now)
    for organization in (cast.first, cast.second):
        open_queue(organization_id=organization.id, actor=ACTOR, now=now - timedelta(days=1))
    row = submit(cast, "make")
    vote(cast, row, "bob")
    return {
        "cast": cast,
        "command": row.id,
        "agent": cast.agent.id,
        "key": cast.key.id,
        "rule": allow(cast, "ls").id,
        "policy": ApprovalPolicy.objects.get(organization=cast.first).id,
        "membership": cast.memberships["bob"].id,
        "organization": cast.first.id,
        "decision": Decision.objects.get().id,
        "event": AuditEvent.objects.filter(log_id=get_log(cast.first.id).id).first().pk,
    }


def url_of(route: str, objects: dict[str, Any]) -> str:
    entry = TABLE[route]
    url = route.replace("^(?P<app_label>audit|accounts|approvals|whitelist)/$", "accounts/")
    url = url.replace("(?P<url>.*)$", "nowhere/").replace("<path:content_type_id>", "1")
    for name in ("command", "agent", "key", "rule", "policy"):
        url = url.replace(f"<uuid:{name}_id>", str(objects.get(name, "")))
    return "/" + url.replace("<path:object_id>", str(objects.get(entry.names) or uuid4()))


def send(client: Client, method: str, url: str) -> Any:
    if method == GET:
        return client.get(url)
    name = url.rstrip("/").split("/")[-1]
    body = next((value for key, value in BODIES.items() if key in (name, url.split("/")[3:4])), {})
    if url.startswith("/api/"):
        body = BODIES.get("policies", {}) if "policies" in url else BODIES.get(name, {})
        return getattr(client, method)(url, body, content_type="application/json")
    return getattr(client, method)(url, body)


def test_every_url_is_in_the_table() -> None:
    known, found = set(TABLE), set(routes())
    assert found - known == set(), "a new URL: say in TABLE what nobody and a stranger get"
    assert known - found == set(), "a URL that is gone"


CASES = [(route, method) for route, entry in TABLE.items() for method in entry.methods]


@pytest.mark.parametrize(("route", "method"), CASES)
def test_attack_48_as_nobody(objects: dict[str, Any], route: str, method: str) -> None:
    entry = TABLE[route]
    answer = send(Client(), method, url_of(route, objects))
    assert answer.status_code == entry.nobody
    if entry.nobody == 401 and not entry.public:
        assert answer.headers["WWW-Authenticate"]
        if route.startswith(API):
            assert answer.json()["code"] == "not_authenticated"


OBJECTS = [(route, method) for route, method in CASES if TABLE[route].names]


@pytest.mark.parametrize(("route", "method"), OBJECTS)
def test_attack_48_as_another_organizations_owner(objects: dict[str, Any], route: str, method: str) -> None:
    cast, url = objects["cast"], url_of(route, objects)
    stranger = AgentClient(cast.other_key_text) if TABLE[route].agents_only else cast.client("charlie")
    answer = send(stranger, method, url)
    assert str(cast.first.name).encode() not in answer.content
    if not route.startswith("admin/"):
        assert answer.status_code == 404
        return
    # Django's admin leads back to its index from what does not exist, and refuses what nobody may do:
    # a stranger cannot tell one from the other.
    absent = str(uuid4())
    nothing = send(stranger, method, url_of(route, {**objects, TABLE[route].names: absent}))
    assert answer.status_code == nothing.status_code != 200
    own = str(objects[TABLE[route].names])
    assert answer.headers.get("Location", "").replace(own, absent) == nothing.headers.get("Location", "")


@pytest.mark.parametrize(("route", "method"), [case for case in OBJECTS if case[1] == GET])
def test_control_the_owner_sees_it(objects: dict[str, Any], route: str, method: str) -> None:
    """Without this a URL that always answers 404 would pass the test above."""
    answer = send(objects["cast"].client("alice"), method, url_of(route, objects))
    assert answer.status_code in {200, 302, 403}  # 302: the admin's own redirect; 403: nobody deletes it


@pytest.mark.parametrize("route", [route for route, entry in TABLE.items() if GET in entry.methods and not entry.names])
def test_attack_48_listings_hold_nothing_of_the_first(objects: dict[str, Any], route: str) -> None:
    cast, url = objects["cast"], url_of(route, objects)
    answer = cast.client("charlie").get(url)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    for name in ("command", "agent", "key", "rule", "policy", "membership", "organization", "decision"):
        assert str(objects[name]).encode() not in content
    assert b"bob@example.org" not in content
