"""The live queue, one card, one command, and the verdict."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.domain.access import Access
from accounts.domain.roles import Ability
from accounts.pages import PageRequest, page
from approvals.domain.tally import Outcome, Verdict
from approvals.models import CommandRequest
from approvals.presentation import Viewer, present_command, present_commands, present_votes
from approvals.selectors.commands import get_command, has_commands, list_pending
from approvals.selectors.timeline import list_command_events
from approvals.services.decide import decide_command
from approvals.services.locking import Refusal
from core.problems import Problem, not_found

MAX_CARDS = 200
HEX64 = re.compile(r"[0-9a-f]{64}")


@page(Ability.VIEW_QUEUE)
@require_GET
def queue(request: PageRequest) -> HttpResponse:
    """Show what waits."""
    return render(request, "approvals/queue.html", _cards(request))


@page(Ability.VIEW_QUEUE)
@require_GET
def queue_list(request: PageRequest) -> HttpResponse:
    """Return every card: what a page takes after its socket (re)connected."""
    return render(request, "approvals/_cards.html", _cards(request))


@page(Ability.VIEW_QUEUE)
@require_GET
def queue_card(request: PageRequest, command_id: UUID) -> HttpResponse:
    """Return one card."""
    row = _row(request.access, command_id)
    return _card(request, row)


@page(Ability.VIEW_QUEUE)
@require_GET
def command_detail(request: PageRequest, command_id: UUID) -> HttpResponse:
    """Show everything about one command."""
    return _detail(request, _row(request.access, command_id))


@page(Ability.DECIDE)
@require_POST
def command_decide(request: PageRequest, command_id: UUID) -> HttpResponse:
    """Take a verdict from a page."""
    form = request.POST
    verdict, digest = form.get("verdict"), form.get("digest", "")
    if verdict not in set(Verdict):
        raise Problem(422, "invalid", "Approve or deny.")
    try:
        outcome = decide_command(
            access=request.access,
            command_id=command_id,
            verdict=Verdict(verdict),
            digest=digest if HEX64.fullmatch(digest) else "",
            reason=form.get("reason", "").strip().replace("\x00", ""),
            now=timezone.now(),
        )
        problem = outcome.problem if isinstance(outcome, Refusal) else None
    except Problem as refused:
        if refused.status == not_found().status:
            raise
        outcome, problem = None, refused
    row = _row(request.access, command_id)
    if request.headers.get("HX-Request"):
        # 200 also for a refusal: htmx swaps in the card, which says what was wrong.
        return _card(request, row, error=problem.detail if problem else "")
    if problem is not None:
        return _detail(request, row, error=problem.detail, status=problem.status)
    assert outcome is not None
    assert not isinstance(outcome, Refusal)
    _say_outcome(request, outcome.tally.outcome)
    return redirect("command-detail", command_id)


def _say_outcome(request: HttpRequest, outcome: Outcome) -> None:
    texts = {
        Outcome.APPROVED: "Approved. The agent may run it now.",
        Outcome.DENIED: "Denied. The agent will not run it.",
        Outcome.PENDING: "Your vote counts. It waits for others.",
    }
    messages.success(request, texts[outcome])


def _cards(request: PageRequest) -> dict[str, Any]:
    now = timezone.now()
    viewer = Viewer(request.access, now)
    rows = list_pending(request.access.organization_id, now=now, owner_id=request.access.only_agents_of)[:MAX_CARDS]
    commands = present_commands(rows, viewer)
    steps = [] if commands or has_commands(request.access.organization_id) else first_steps()
    return {"commands": commands, "server_time": now, "first_steps": steps}


def first_steps() -> list[dict[str, str]]:
    """Return the commands that bring a first request here."""
    return [
        {"title": "Make an agent and a key", "url": reverse("agents"), "label": "Agents"},
        {"title": "Install the client", "command": "pip install expacti-agent"},
        {"title": "Sign in with the key", "command": f"expacti login --url {settings.PUBLIC_URL}"},
        {"title": "Ask for a command", "command": "expacti run -- uname -a"},
    ]


def _card(request: PageRequest, row: CommandRequest, *, error: str = "") -> HttpResponse:
    now = timezone.now()
    context = {
        "command": present_command(row, Viewer(request.access, now)),
        "server_time": now,
        "error": error,
    }
    return render(request, "approvals/_card.html", context)


def _detail(request: PageRequest, row: CommandRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    now = timezone.now()
    context = {
        "command": present_command(row, Viewer(request.access, now)),
        "votes": present_votes(row),
        "events": list_command_events(row),
        "rule_label": ", ".join(row.match.get("rules", [])) if row.decided_by == "rule" else "",
        "server_time": now,
        "error": error,
    }
    return render(request, "approvals/detail.html", context, status=status)


def _row(access: Access, command_id: UUID) -> CommandRequest:
    row = get_command(access.organization_id, command_id, owner_id=access.only_agents_of)
    if row is None:
        raise not_found()
    return row
