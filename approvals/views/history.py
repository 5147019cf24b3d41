"""Everything that was asked, with search."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET

from accounts.domain.access import Access
from accounts.domain.roles import Ability
from accounts.models import Agent
from accounts.pages import PageRequest, page
from approvals.domain.states import State
from approvals.models import CommandRequest
from approvals.presentation import Viewer, present_command
from approvals.selectors.commands import CommandFilter, list_commands
from core import pagination
from core.problems import Problem

LABELS = {
    State.PENDING: "Waiting",
    State.APPROVED: "Approved",
    State.RELEASED: "Running",
    State.EXECUTED: "Ran",
    State.DENIED: "Denied",
    State.EXPIRED: "Expired",
    State.CANCELLED: "Cancelled",
}
NAMES = ("q", "state", "agent", "since", "until")


@page(Ability.VIEW_QUEUE)
@require_GET
def history(request: PageRequest) -> HttpResponse:
    """List commands, newest first."""
    filters = {name: request.GET.get(name, "").strip() for name in NAMES}
    rows: list[CommandRequest] = []
    error, cursor = "", None
    try:
        wanted = _wanted(filters, request)
        found = list_commands(
            request.access.organization_id, wanted, owner_id=request.access.only_agents_of
        ).prefetch_related("decisions__user")
        rows, cursor = pagination.newest_page(
            found,
            scope=f"history/{request.access.organization_id}",
            cursor=request.GET.get("cursor"),
            limit=pagination.DEFAULT_LIMIT,
        )
    except Problem as problem:
        error = problem.detail
    viewer = Viewer(request.access, timezone.now())
    context = {
        "commands": [present_command(row, viewer, history=False) for row in rows],
        "filters": filters,
        "filtered": any(filters.values()),
        "filter_error": error,
        "state_options": [{"value": str(state), "label": LABELS[state]} for state in State],
        "agent_options": _agents(request.access),
        "next_url": page_url(request, cursor) if cursor else "",
        "previous_url": page_url(request, None) if request.GET.get("cursor") else "",
    }
    return render(request, "approvals/history.html", context, status=422 if error else 200)


def page_url(request: HttpRequest, cursor: str | None) -> str:
    """Return this listing's URL at another position."""
    query = {name: value for name, value in request.GET.items() if name != "cursor" and value}
    if cursor:
        query["cursor"] = cursor
    return f"?{urlencode(query)}"


def day_bounds(
    since: str, until: str, zone: Any
) -> tuple[datetime | None, datetime | None]:
    """Return the moments at which the days begin and end in the zone; `until` is included.

    Raises:
        Problem: 422 for what is no date.
    """
    bounds: list[datetime | None] = []
    for text, shift in ((since, 0), (until, 1)):
        try:
            day = parse_date(text) if text else None
        except ValueError:
            day = None
        if text and day is None:
            raise Problem(422, "invalid", f"{text!r} is not a date like 2026-11-24.")
        start = None if day is None else datetime.combine(day + timedelta(days=shift), time(), zone)
        bounds.append(start)
    return bounds[0], bounds[1]


def zone_of(request: HttpRequest) -> Any:
    """Return the signed-in person's time zone, UTC where it is unset."""
    try:
        return ZoneInfo(getattr(request.user, "time_zone", "") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _wanted(filters: dict[str, str], request: HttpRequest) -> CommandFilter:
    since, until = day_bounds(filters["since"], filters["until"], zone_of(request))
    state = filters["state"] or None
    if state is not None and state not in set(State):
        raise Problem(422, "invalid", "There is no such state.")
    try:
        agent = UUID(filters["agent"]) if filters["agent"] else None
    except ValueError:
        raise Problem(422, "invalid", "There is no such agent.") from None
    return CommandFilter(state, agent, filters["q"], since, until)


def _agents(access: Access) -> list[dict[str, str]]:
    rows = Agent.objects.filter(organization_id=access.organization_id).order_by("name")
    if access.only_agents_of is not None:
        rows = rows.filter(owner_id=access.only_agents_of)
    return [{"value": str(row.pk), "label": row.name} for row in rows[:500]]
