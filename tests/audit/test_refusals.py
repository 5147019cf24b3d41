"""What never gets into the log, and what happens to the action whose record does not."""

from __future__ import annotations

import importlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from django.db import DatabaseError, OperationalError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.models import AuditEvent
from audit.selectors import get_head
from audit.services import Event, append
from core import canonical
from tests.audit.exports import make_log

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
BAD_VALUES: dict[str, Any] = {
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "a float": 1.5,
    "2^53": 2**53,
    "-2^53": -(2**53),
    "lone surrogate": "\ud800",
    "NUL": "a\x00b",
    "bytes": b"x",
    "a key that is not ASCII": {"é": 1},
    "a key that is a number": {1: 1},
    "a surrogate in a key": {"\ud800": 1},
    "too deep": json.loads("[" * 20 + "]" * 20),
    "a set": {1},
    "a date": NOW,
}
BAD_TEXTS = {
    "duplicate keys": b'{"a":1,"a":1}',
    "duplicate keys inside": b'{"a":{"b":1,"b":2}}',
    "escaped duplicate": b'{"a":1,"\\u0061":2}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "2^53": b'{"a":9007199254740992}',
    "a float": b'{"a":1.0}',
    "an exponent": b'{"a":1e3}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "NUL": b'{"a":"\\u0000"}',
    "not UTF-8": b'{"a":"\xff"}',
    "too deep": b"[" * 100_000,
    "a million digits": b'{"a":' + b"9" * 100_000 + b"}",
    "two values": b"{}{}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":"b"}'.encode("utf-16"),
    "UTF-32 without a mark": '{"a":"b"}'.encode("utf-32-le"),
    "nothing": b"",
    "a bare control character": b'{"a":"\n"}',
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", BAD_VALUES)
@pytest.mark.parametrize("where", ["facts", "payload"])
def test_attack_15_refused_at_append(name: str, where: str) -> None:
    organization_id = make_log(1)
    event = Event("t", "command:1", "system:test", **{where: {"x": BAD_VALUES[name]}})
    with pytest.raises(canonical.CanonicalError):
        append(organization_id=organization_id, now=NOW, events=[event])
    assert get_head(organization_id).size == 1


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_attack_15_refused_by_the_parser(name: str) -> None:
    with pytest.raises(canonical.CanonicalError):
        canonical.loads(BAD_TEXTS[name])


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(BAD_TEXTS.keys() - {"nothing"}))
def test_attack_15_refused_by_the_api(name: str) -> None:
    from tests.accounts.cast import make_cast
    from tests.approvals.factories import COMMANDS, AgentClient

    agent = AgentClient(make_cast(NOW).key_text)
    refused = agent.post(COMMANDS, BAD_TEXTS[name], content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1"])
def test_a_body_that_is_no_object(body: bytes) -> None:
    from tests.accounts.cast import make_cast
    from tests.approvals.factories import COMMANDS, AgentClient

    refused = AgentClient(make_cast(NOW).key_text).post(COMMANDS, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")


keys = st.text(st.characters(max_codepoint=127, exclude_characters="\x00"), max_size=8)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_canonical_form_is_rfc_8785(value: Any) -> None:
    written = canonical.dumps(value)
    assert written == rfc8785.dumps(value)
    assert canonical.loads(written) == value


# --- attack 13 -------------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A disk that is full at the head row's update, after everything else was written."""

    def install() -> None:
        module = importlib.import_module("audit.services.append")

        def refuse(*_args: Any) -> Any:
            raise OperationalError("database or disk is full")

        # PostgreSQL: the statement fails in the database, once the function has written everything.
        for name in ("_ONE", "_MANY"):
            spoilt = getattr(module, name).replace("SELECT seq, leaf", "SELECT seq, leaf, seq / (seq - seq)")
            monkeypatch.setattr(module, name, spoilt)
        monkeypatch.setattr(module, "_insert_record", refuse)

    return install


@pytest.mark.django_db(databases=["default", "whitelist"])
@pytest.mark.parametrize("act", ["submit", "whitelisted submit", "approve", "deny", "release", "cancel", "result"])
def test_attack_13_append_error_denies_the_action(act: str, full: Any) -> None:
    from django.utils import timezone

    from approvals.models import CommandRequest, Decision, RuleUse
    from approvals.services.queues import open_queue
    from tests.accounts.cast import ACTOR, make_cast
    from tests.approvals import factories as f

    cast = make_cast(timezone.now())
    open_queue(organization_id=cast.first.id, actor=ACTOR, now=timezone.now())
    agent, browser = f.AgentClient(cast.key_text), cast.client("bob")
    agent.raise_request_exception = browser.raise_request_exception = False
    f.allow(cast, "ls", max_uses=5)
    body = f.make_body(cast.agent, "make")
    agent.submit(body)
    if act in {"release", "result"}:
        f.decide_by_api(browser, body)
    if act == "result":
        agent.release(body)
    before = list(CommandRequest.objects.values()), get_head(cast.first.id).size
    full()
    acts: dict[str, Any] = {
        "submit": lambda: agent.submit(f.make_body(cast.agent, "pwd")),
        "whitelisted submit": lambda: agent.submit(f.make_body(cast.agent, "ls", release_nonce=f.NONCE)),
        "approve": lambda: f.decide_by_api(browser, body),
        "deny": lambda: f.decide_by_api(browser, body, "deny"),
        "release": lambda: agent.release(body),
        "cancel": lambda: agent.act(body["id"], "cancel"),
        "result": lambda: agent.act(body["id"], "result", f.RESULT),
    }
    answer = acts[act]()
    assert (answer.status_code, answer.json()["code"]) in {(503, "unavailable"), (500, "internal_error")}
    assert "grant" not in answer.json()
    assert (list(CommandRequest.objects.values()), get_head(cast.first.id).size) == before
    assert Decision.objects.count() == (1 if act in {"release", "result"} else 0)
    assert not RuleUse.objects.exists()


@pytest.mark.django_db
@pytest.mark.sqlite
def test_attack_11_insert_or_replace() -> None:
    organization_id = make_log()
    before = list(AuditEvent.objects.values_list("raw", flat=True).order_by("seq"))
    statements = [
        "INSERT OR REPLACE INTO audit_event SELECT event_id, seq, ts, type, obj, actor, 'x', leaf_hash, salt, payload, log_id FROM audit_event",
        "REPLACE INTO audit_event SELECT * FROM audit_event",
        "INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log",
        "INSERT OR IGNORE INTO audit_event SELECT * FROM audit_event",
        "UPDATE OR REPLACE audit_event SET raw = 'x'",
        "INSERT INTO audit_event SELECT * FROM audit_event WHERE true ON CONFLICT DO UPDATE SET raw = 'x'",
    ]
    for statement in statements:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert list(AuditEvent.objects.values_list("raw", flat=True).order_by("seq")) == before
    assert get_head(organization_id).size == 3
    assert isinstance(organization_id, uuid.UUID)
