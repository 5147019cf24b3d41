"""What operators and clients ask without signing in, and how the process starts."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import Membership
from approvals.models import QueueState
from expacti.checks import AlreadyServing, claim_installation
from expacti.env import Env
from tests.accounts.cast import make_cast
from tests.accounts.recorded import types

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "expacti.settings.production",
    "EXPACTI_SECRET_KEY": "s" * 60,
    "EXPACTI_ROOT_KEY": "A" * 43 + "=",
    "EXPACTI_PUBLIC_URL": "https://expacti.example",
}


def start_production(**changes: str | None) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], **PRODUCTION}
    environ.update({name: value for name, value in changes.items() if value is not None})
    for name in (name for name, value in changes.items() if value is None):
        environ.pop(name, None)
    return subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_production_starts() -> None:
    assert start_production().returncode == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"EXPACTI_SECRET_KEY": None}, "EXPACTI_SECRET_KEY"),
        ({"EXPACTI_SECRET_KEY": "short"}, "EXPACTI_SECRET_KEY"),
        ({"EXPACTI_ROOT_KEY": None}, "EXPACTI_ROOT_KEY"),
        ({"EXPACTI_ROOT_KEY": "c2hvcnQ="}, "EXPACTI_ROOT_KEY"),
        ({"EXPACTI_ROOT_KEY": "not base64!"}, "EXPACTI_ROOT_KEY"),
        ({"DEBUG": "1"}, "DEBUG"),
        ({"EXPACTI_ALLOWED_HOSTS": "*"}, "EXPACTI_ALLOWED_HOSTS"),
        ({"EXPACTI_ALLOWED_HOSTS": ".example.com"}, "EXPACTI_ALLOWED_HOSTS"),
        ({"EXPACTI_PUBLIC_URL": "http://expacti.example"}, "EXPACTI_PUBLIC_URL"),
        ({"WEB_CONCURRENCY": "4"}, "REDIS_URL"),
        ({"EXPACTI_SWEEP_INTERVAL_S": "often"}, "EXPACTI_SWEEP_INTERVAL_S"),
    ],
)
def test_production_refuses_to_start(changes: dict[str, str | None], named: str) -> None:
    refused = start_production(**changes)
    assert refused.returncode != 0
    assert named in refused.stderr


def test_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    assert Env({"X_FILE": str(file)}).secret("X") == "from the file"
    with pytest.raises(ImproperlyConfigured, match="X_FILE"):
        Env({"X_FILE": str(file), "X": "both"}).secret("X")
    with pytest.raises(ImproperlyConfigured, match="X_FILE"):
        Env({"X_FILE": str(tmp_path / "absent")}).secret("X")


def test_one_process_without_redis(settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL, settings.STATE_DIR = "", tmp_path
    held = claim_installation()
    with pytest.raises(AlreadyServing, match="REDIS_URL"):
        claim_installation()
    held.close()
    claim_installation().close()


@pytest.mark.django_db(databases=["default", "whitelist"])
class TestPublic:
    def test_health(self, client: Client) -> None:
        assert client.get("/healthz").json()["status"] == "ok"

    def test_readiness_names_the_parts(self, client: Client) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert {"default", "whitelist"} <= set(answer.json())

    def test_security_txt(self, client: Client) -> None:
        assert "Contact: " in client.get("/.well-known/security.txt").content.decode()

    def test_schema_is_openapi_3_1(self, client: Client) -> None:
        answer = client.get("/api/v1/schema/")
        assert answer.status_code == 200
        document = json.loads(answer.content)
        assert document["openapi"].startswith("3.1")
        assert "/api/v1/commands/{command_id}/release/" in document["paths"]

    def test_grant_keys_follow_a_rotation(self, client: Client) -> None:
        first = client.get("/.well-known/expacti-grant-keys.json").json()
        call_command("rotate_grant_key", stdout=io.StringIO())
        second = client.get("/.well-known/expacti-grant-keys.json").json()
        assert second["current"] != first["current"]
        assert [key["kid"] for key in second["keys"]] == [first["current"], second["current"]]
        assert len(second["rotations"]) == 1


@pytest.mark.django_db(databases=["default", "whitelist"])
def test_operator_founds_an_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("a long enough password 17\n"))
    call_command("create_organization", name="Acme", slug="acme", owner_email="o@acme.example", stdout=out)
    member = Membership.objects.get(organization__slug="acme")
    assert (member.role, member.user.email) == ("owner", "o@acme.example")
    assert QueueState.objects.filter(organization=member.organization).exists()
    with pytest.raises(CommandError, match="exists"):
        call_command("create_organization", name="Acme", slug="acme", owner_email="o@acme.example", stdout=out)


@pytest.mark.django_db(databases=["default", "whitelist"])
def test_operator_adds_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("a long enough password 17\nanother password 4711\n"))
    call_command("create_organization", name="Acme", slug="acme", owner_email="o@acme.example", stdout=out)
    call_command("add_member", organization="acme", email="r@acme.example", role="reviewer", stdout=out)
    member = Membership.objects.get(user__email="r@acme.example")
    assert (member.role, member.user.check_password("another password 4711")) == ("reviewer", True)
    with pytest.raises(CommandError, match="belongs"):
        call_command("add_member", organization="acme", email="r@acme.example", role="admin", stdout=out)


ASK = """
import io, sys
from expacti.wsgi import application
scheme, host = sys.argv[1:]
environ = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/api/v1/agent/", "SCRIPT_NAME": "", "QUERY_STRING": "",
    "SERVER_NAME": host, "SERVER_PORT": "443", "HTTP_HOST": host, "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_AUTHORIZATION": "Bearer nonsense", "wsgi.url_scheme": scheme, "wsgi.input": io.BytesIO(),
    "wsgi.errors": sys.stderr,
}
b"".join(application(environ, lambda status, headers, *rest: print(status, dict(headers))))
"""


@pytest.mark.parametrize(
    ("scheme", "host", "status"),
    [
        ("https", "expacti.example", "401"),
        ("http", "expacti.example", "301"),  # an agent's request too: the key must not travel in clear
        ("https", "evil.example", "400"),
    ],
)
def test_agents_meet_tls_and_the_host_check_in_production(scheme: str, host: str, status: str) -> None:
    environ = {"PATH": os.environ["PATH"], **PRODUCTION}
    asked = subprocess.run(
        [sys.executable, "-c", ASK, scheme, host], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert asked.stdout.startswith(status), asked.stdout + asked.stderr
    if status == "401":
        assert "Strict-Transport-Security" in asked.stdout


@pytest.mark.django_db(databases=["default", "whitelist"])
def test_admin_has_no_doors_of_its_own() -> None:
    cast = make_cast(timezone.now())
    alice, bob, nobody = cast.client("alice"), cast.client("bob"), Client()
    for path in ("login/", "logout/", "password_change/", ""):
        assert nobody.get(f"/admin/{path}").status_code == 401
        assert bob.get(f"/admin/{path}").status_code == 403
    before = cast.alice.password
    passwords = {"old_password": "x", "new_password1": "another long one 55", "new_password2": "another long one 55"}
    assert alice.post("/admin/password_change/", passwords)["Location"] == "/account/security/password/"
    cast.alice.refresh_from_db()
    assert cast.alice.password == before
    assert alice.post("/admin/logout/").status_code == 302
    assert types(cast.first.id)[-1] == "session.ended"
    assert alice.get("/").status_code == 401
