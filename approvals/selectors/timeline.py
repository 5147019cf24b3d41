"""What happened to a command, in words, from the audit log."""

from __future__ import annotations

from typing import Any

from accounts.actors import name_actors
from approvals.models import CommandRequest
from approvals.selectors.integrity import command_object
from audit.queries import payload_of, record_of
from audit.selectors import list_events, with_sealed_payload
from core.text import visible

REVIEWER = "reviewer"  # the usual code of a denial: the vote before it says who and why
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


def _label(kind: str, facts: dict[str, Any]) -> str:
    label = _LABELS.get(kind, kind)
    if kind == "command.voted":
        return "Voted to approve" if facts.get("verdict") == "approve" else "Voted to deny"
    return label


def _reason(payload: Any, facts: dict[str, Any]) -> str:
    parts = []
    if payload and payload.get("reason"):
        parts.append(str(payload["reason"]))
    if facts.get("code") not in (None, "", REVIEWER):
        parts.append(f"({facts['code']})")
    if facts.get("reason"):
        parts.append(str(facts["reason"]))
    return visible(" ".join(parts))
