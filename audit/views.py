"""The timeline: the log as a page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_GET

from accounts.actors import name_actors
from accounts.domain.roles import Ability
from accounts.pages import PageRequest, page
from audit.models import AuditEvent
from audit.queries import EventFilter, find_events, page_events, payload_of, record_of
from core import pagination
from core.moments import day_start, zone_named
from core.problems import Problem
from core.text import visible

LEAF_SHORT_CHARS = 12
VALUE_MAX_CHARS = 160
NAMES = ("object", "actor", "type", "since", "until")
HIDDEN_FACTS = frozenset(("columns", "mac", "row", "version", "policy"))
# What a reader compares, not what tells the story: folded away.
FOLDED = frozenset(
    (
        "agent",
        "before",
        "after",
        "exp",
        "fingerprint",
        "jti",
        "key",
        "kid",
        "membership",
        "nonce",
        "voter",
        "voters",
        "wish",
    )
)
_IS_DIGEST = re.compile(r"[0-9a-f]{40,}")
TYPES = (
    "command.submitted", "command.voted", "command.approved", "command.denied", "command.released",
    "command.executed", "command.expired", "command.cancelled", "decision.refused",
    "integrity.violated", "queue.opened", "queue.frozen", "queue.unfrozen", "policy.changed",
    "whitelist.intent", "whitelist.applied", "whitelist.voided", "sign_in.succeeded",
    "sign_in.failed", "sign_in.locked", "second_factor.enrolled", "second_factor.removed",
    "second_factor.failed", "backup_codes.created", "backup_code.used", "api_key.created",
    "api_key.refused",
    "api_key.revoked", "agent.created", "agent.disabled", "membership.added",
    "membership.role_changed", "membership.removed", "organization.created",
    "organization.changed", "password.changed", "session.ended",
)  # fmt: skip


@page(Ability.AUDIT)
@require_GET
def timeline(request: PageRequest) -> HttpResponse:
    """List the records, newest first."""
    organization_id = request.access.organization_id
    filters = {name: request.GET.get(name, "").strip() for name in NAMES}
    rows: list[AuditEvent] = []
    error, cursor = "", None
    try:
        rows, cursor = page_events(
            find_events(organization_id, _wanted(filters, request.access.time_zone)),
            scope=f"timeline/{organization_id}",
            cursor=request.GET.get("cursor"),
            limit=pagination.DEFAULT_LIMIT,
        )
    except Problem as problem:
        error = problem.detail
    names = name_actors(organization_id, {row.actor for row in rows})
    context = {
        "events": [_present(row, names) for row in rows],
        "filters": filters,
        "filtered": any(filters.values()),
        "filter_error": error,
        "type_options": [{"value": name, "label": name} for name in TYPES],
        "query": "",
        "next_url": _url(request, cursor) if cursor else "",
        "previous_url": _url(request, None) if request.GET.get("cursor") else "",
    }
    return render(request, "audit/timeline.html", context, status=422 if error else 200)


def _wanted(filters: dict[str, str], zone_name: str) -> EventFilter:
    zone = zone_named(zone_name)
    return EventFilter(
        type=filters["type"],
        obj=filters["object"],
        actor=filters["actor"],
        since=_day(filters["since"], zone, 0),
        until=_day(filters["until"], zone, 1),
    )


def _day(text: str, zone: ZoneInfo, days_later: int) -> datetime | None:
    start = day_start(text, zone, days_later=days_later) if text else None
    if text and start is None:
        raise Problem(422, "invalid", f"{visible(text)} is not a date like 2026-11-24.")
    return start


def _present(row: AuditEvent, names: dict[str, str]) -> dict[str, Any]:
    leaf = bytes(row.leaf_hash).hex()
    kind, _, identifier = row.obj.partition(":")
    return {
        "seq": row.seq,
        "at": row.ts,
        "actor_label": names.get(row.actor, visible(row.actor)),
        "type": row.type,
        "object_label": visible(row.obj),
        "object_url": _object_url(kind, identifier),
        "summary": _summary(row),
        "leaf_hash": leaf,
        "leaf_short": leaf[:LEAF_SHORT_CHARS],
    }


def _object_url(kind: str, identifier: str) -> str:
    # By name, because what the log is about lies in apps above this one.
    name = {"command": "command-detail", "agent": "agent-detail"}.get(kind)
    try:
        return reverse(name, args=[UUID(identifier)]) if name else ""
    except (NoReverseMatch, ValueError):
        return ""


def _summary(row: AuditEvent) -> dict[str, list[dict[str, str]]]:
    """Return what happened in short, and under `more` the members that only a comparison needs."""
    facts = record_of(row).get("facts", {})
    members = {name: value for name, value in facts.items() if name not in HIDDEN_FACTS}
    members.update(payload_of(row) or {})
    brief, more = _in_words(members), list[dict[str, str]]()
    for name, value in members.items():
        if value in (None, "", [], {}):
            continue
        item = {"key": visible(name), "value": _short(value)}
        folded = name in FOLDED or _IS_DIGEST.fullmatch(str(value))
        (more if folded else brief).append(item)
    return {"brief": brief, "more": more}


def _in_words(members: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say the two nested payloads in one line each: what was to run, and what a change changed."""
    found = []
    wish, before, after = (members.get(name) for name in ("wish", "before", "after"))
    if isinstance(wish, dict):
        line = wish.get("command") or shlex.join(map(str, wish.get("argv") or ()))
        found.append({"key": "command", "value": _short(line)})
        found.append({"key": "on", "value": _short(wish.get("host", ""))})
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in after if after[name] != before.get(name)]
        found += [{"key": visible(name), "value": _short(f"{before.get(name)} → {after[name]}")} for name in names]
    return found


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    elif isinstance(value, dict):
        value = ", ".join(f"{name} {item}" for name, item in value.items() if item is not None)
    text = visible(str(value))
    return text if len(text) <= VALUE_MAX_CHARS else text[: VALUE_MAX_CHARS - 1] + "…"


def _url(request: HttpRequest, cursor: str | None) -> str:
    query = {name: value for name, value in request.GET.items() if name != "cursor" and value}
    if cursor:
        query["cursor"] = cursor
    return f"?{urlencode(query)}"
