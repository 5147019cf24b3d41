"""Everything that was asked, with search."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
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
from core.moments import day_start, zone_named
from core.problems import Problem
from core.text import visible

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


def day_bounds(since: str, until: str, zone: Any) -> tuple[datetime | None, datetime | None]:
    """Return the moments at which the days begin and end in the zone; `until` is included.

    Raises:
        Problem: 422 for what is no date.
    """
    bounds: list[datetime | None] = []
    for text, days in ((since, 0), (until, 1)):
        start = day_start(text, zone, days_later=days) if text else None
        if text and start is None:
            raise Problem(422, "invalid", f"{visible(text)} is not a date like 2026-11-24.")
        bounds.append(start)
    return bounds[0], bounds[1]


def _wanted(filters: dict[str, str], request: PageRequest) -> CommandFilter:
    since, until = day_bounds(filters["since"], filters["until"], zone_named(request.access.time_zone))
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
