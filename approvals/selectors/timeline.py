"""What happened to a command, in words, from the audit log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import Agent, User
from approvals.models import CommandRequest
from approvals.selectors.integrity import command_object
from audit.queries import payload_of, record_of
from audit.selectors import list_events, with_sealed_payload
from core.text import visible

_LABELS = {
    "command.submitted": "Submitted",
    "command.voted": "Vote",
    "command.approved": "Approved",
    "command.released": "Grant taken",
    "command.executed": "Ran",
    "command.denied": "Denied",
    "command.expired": "Expired",
    "command.cancelled": "Cancelled",
    "decision.refused": "Decision refused",
    "integrity.violated": "Integrity violated",
}


def list_command_events(row: CommandRequest) -> list[dict[str, Any]]:
    """Return `{label, at, actor, reason}` per record, oldest first. Three queries."""
    records = list_events(row.organization_id).filter(obj=command_object(row.id)).order_by("seq")
    rows = list(with_sealed_payload(records))
    names = name_actors(row.organization_id, {item.actor for item in rows})
    return [
        {
            "label": _label(item.type, record_of(item).get("facts", {})),
            "at": item.ts,
            "actor": names.get(item.actor, item.actor),
            "reason": _reason(payload_of(item), record_of(item).get("facts", {})),
        }
        for item in rows
    ]


def name_actors(organization_id: UUID, actors: set[str]) -> dict[str, str]:
    """Return readable names for audit actors, hidden characters visible. Two queries."""
    users = _ids(actors, "user:")
    agents = _ids(actors, "agent:")
    names = {
        "system:whitelist": "a whitelist rule",
        "system:clock": "the clock",
        "system:integrity": "the integrity check",
        "system:recovery": "recovery",
    }
    for user in User.objects.filter(pk__in=users, memberships__organization_id=organization_id).distinct():
        names[f"user:{user.pk}"] = visible(str(user))
    for agent in Agent.objects.filter(pk__in=agents, organization_id=organization_id):
        names[f"agent:{agent.pk}"] = visible(agent.name)
    return names


def _ids(actors: set[str], prefix: str) -> list[UUID]:
    return [UUID(actor.removeprefix(prefix)) for actor in actors if actor.startswith(prefix)]


def _label(kind: str, facts: dict[str, Any]) -> str:
    label = _LABELS.get(kind, kind)
    if kind == "command.voted":
        return "Voted to approve" if facts.get("verdict") == "approve" else "Voted to deny"
    return label


def _reason(payload: Any, facts: dict[str, Any]) -> str:
    parts = []
    if payload and payload.get("reason"):
        parts.append(str(payload["reason"]))
    if facts.get("code"):
        parts.append(f"({facts['code']})")
    if facts.get("reason"):
        parts.append(str(facts["reason"]))
    return visible(" ".join(parts))
