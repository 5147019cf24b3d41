"""Reads of commands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.domain.states import State
from approvals.domain.tally import Verdict
from approvals.models import CommandRequest, CommandWord, Decision
from core import search

HISTORY_MAX = 200
HISTORIES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """What a listing asks for; None leaves a criterion out. `text` matches whole words."""

    state: str | None = None
    agent_id: UUID | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


def get_command(organization_id: UUID, command_id: UUID, *, owner_id: UUID | None = None) -> CommandRequest | None:
    """Return the organization's command with its agent, or None.

    With `owner_id` only if that person owns the agent (`Access.only_agents_of`).
    """
    return (
        _commands(organization_id, owner_id)
        .filter(pk=command_id)
        .select_related("agent")
        .prefetch_related("decisions__user")
        .first()
    )


def list_commands(
    organization_id: UUID, wanted: CommandFilter, *, owner_id: UUID | None = None
) -> QuerySet[CommandRequest]:
    """Return matching commands, newest first; with `owner_id` of that person's agents alone."""
    rows = _commands(organization_id, owner_id).select_related("agent")
    if wanted.state:
        rows = rows.filter(_state_filter(wanted.state, timezone.now()))
    if wanted.agent_id:
        rows = rows.filter(agent_id=wanted.agent_id)
    if wanted.since:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(created_at__lt=wanted.until)
    for word in search.digests(str(organization_id), [wanted.text]):
        same = CommandWord.objects.filter(organization_id=organization_id, word=word, command_id=OuterRef("pk"))
        rows = rows.filter(Exists(same))
    return rows.order_by("-created_at", "-id")


def list_pending(organization_id: UUID, *, now: datetime, owner_id: UUID | None = None) -> QuerySet[CommandRequest]:
    """Return what waits for a decision, oldest first; with `owner_id` of that person's agents alone."""
    return (
        _commands(organization_id, owner_id)
        .filter(state=State.PENDING, decide_by__gt=now)
        .select_related("agent")
        .prefetch_related("decisions")
        .order_by("created_at", "id")
    )


def count_pending(organization_id: UUID, *, owner_id: UUID | None = None) -> int:
    """Return how many commands wait for a decision now; with `owner_id` of that person's agents."""
    rows = _commands(organization_id, owner_id)
    return rows.filter(state=State.PENDING, decide_by__gt=timezone.now()).count()


def _commands(organization_id: UUID, owner_id: UUID | None) -> QuerySet[CommandRequest]:
    rows = CommandRequest.objects.filter(organization_id=organization_id)
    return rows if owner_id is None else rows.filter(agent__owner_id=owner_id)


def list_due(*, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Return `(organization, command)` of open commands whose time is over: all organizations'."""
    rows = CommandRequest.objects.filter(
        Q(state=State.PENDING, decide_by__lte=now) | Q(state=State.APPROVED, expires_at__lte=now)
    )
    return list(rows.order_by("decide_by").values_list("organization_id", "pk")[:limit])


def count_open(organization_id: UUID) -> int:
    """Return how many commands are pending or approved."""
    states = (State.PENDING, State.APPROVED)
    return CommandRequest.objects.filter(organization_id=organization_id, state__in=states).count()


def summarize_history(organization_id: UUID, fingerprint: str, *, since: datetime, besides: UUID) -> dict[str, Any]:
    """Return how the same wish was decided before: counts (at most `HISTORY_MAX`), and the last."""
    rows = CommandRequest.objects.filter(
        organization_id=organization_id, fingerprint=fingerprint, created_at__gte=since
    ).exclude(pk=besides)
    newest = rows.order_by("-created_at").values("state", "decided_at")[:HISTORY_MAX]
    return _summary(list[Mapping[str, Any]](newest))


def summarize_histories(
    organization_id: UUID, rows: Iterable[CommandRequest], *, since: datetime
) -> dict[UUID, dict[str, Any]]:
    """Return `summarize_history` of each of the commands, by id. One query, `HISTORIES_MAX` rows."""
    wanted = list(rows)
    same = CommandRequest.objects.filter(
        organization_id=organization_id,
        fingerprint__in={row.fingerprint for row in wanted},
        created_at__gte=since,
    ).order_by("-created_at")
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for item in same.values("pk", "fingerprint", "state", "decided_at")[:HISTORIES_MAX]:
        found[item["fingerprint"]].append(item)
    return {
        row.pk: _summary([item for item in found[row.fingerprint] if item["pk"] != row.pk][:HISTORY_MAX])
        for row in wanted
    }


def _summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    approved = {State.APPROVED, State.RELEASED, State.EXECUTED}
    decided = [row for row in found if row["decided_at"]]
    return {
        "count_30d": len(found),
        "approved": sum(row["state"] in approved for row in found),
        "denied": sum(row["state"] == State.DENIED for row in found),
        "last_at": decided[0]["decided_at"] if decided else None,
        "last_verdict": decided[0]["state"] if decided else "",
    }


def effective_state(row: CommandRequest, now: datetime) -> str:
    """Return the state by the clock: an open command past its time is expired, swept or not."""
    if row.state == State.PENDING and now >= row.decide_by:
        return State.EXPIRED
    if row.state == State.APPROVED and now >= row.expires_at:
        return State.EXPIRED
    return row.state


def _state_filter(state: str, now: datetime) -> Q:
    overdue = Q(state=State.PENDING, decide_by__lte=now) | Q(state=State.APPROVED, expires_at__lte=now)
    if state == State.EXPIRED:
        return Q(state=State.EXPIRED) | overdue
    return Q(state=state) & ~overdue if state in {State.PENDING, State.APPROVED} else Q(state=state)


def has_commands(organization_id: UUID) -> bool:
    """Tell whether the organization ever had a command."""
    return CommandRequest.objects.filter(organization_id=organization_id).exists()


def count_approvals(row: CommandRequest) -> int:
    """Return how many have approved, for display; what counts is counted from the log."""
    if row.decided_by == "rule":
        return 0
    if "decisions" in getattr(row, "_prefetched_objects_cache", {}):
        return sum(vote.verdict == Verdict.APPROVE for vote in row.decisions.all())
    if row.version == 1:
        return 0
    return Decision.objects.filter(
        organization_id=row.organization_id, command_id=row.pk, verdict=Verdict.APPROVE
    ).count()


def required_approvals(row: CommandRequest) -> int:
    """Return how many approvals it needs, for display; 0 where its policy was altered in the database."""
    wanted = row.policy.get("required_approvals") if isinstance(row.policy, dict) else None
    return wanted if isinstance(wanted, int) else 0
