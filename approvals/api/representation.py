"""A command as the API returns it (docs/api.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from approvals.domain.request import format_time
from approvals.domain.states import State
from approvals.models import CommandRequest
from approvals.selectors.commands import count_approvals, effective_state, required_approvals


def review_url(row: CommandRequest) -> str:
    """Return the page where reviewers decide."""
    return f"{settings.PUBLIC_URL}/commands/{row.id}/"


def represent_command(row: CommandRequest, *, now: datetime) -> dict[str, Any]:
    """Return the JSON object. Queries: one for the approvals of a command that is or was voted on."""
    wish = row.wish
    return {
        "id": str(row.id),
        "state": str(effective_state(row, now)),
        "organization": str(row.organization_id),
        "agent": {"id": str(row.agent_id), "name": row.agent.name},
        "digest": row.digest,
        "argv": wish.get("argv"),
        "command": wish.get("command"),
        "shell": wish["shell"],
        "exe": wish["exe"],
        "cwd": wish["cwd"],
        "env": wish["env"],
        "user": wish["user"],
        "host": wish["host"],
        "stdin": wish["stdin"],
        "reason": row.reason,
        "context": row.context,
        "path_bound": wish["exe"] is not None,
        "created_at": format_time(row.created_at),
        "expires_at": format_time(row.expires_at),
        "decide_by": format_time(row.decide_by),
        "decided_at": _time(row.decided_at),
        "released_at": _time(row.released_at),
        "finished_at": _time(row.finished_at),
        "version": row.version,
        "required_approvals": required_approvals(row),
        "approvals": count_approvals(row),
        "decided_by": row.decided_by or None,
        "denial": _denial(row),
        "match": row.match,
        "review_url": review_url(row),
        "result": _result(row),
        "server_time": format_time(now),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _denial(row: CommandRequest) -> dict[str, str] | None:
    if row.state != State.DENIED:
        return None
    return {"code": row.denial_code, "reason": row.denial_reason}


def _result(row: CommandRequest) -> dict[str, Any] | None:
    if row.state != State.EXECUTED:
        return None
    return {
        "exit_code": row.exit_code,
        "signal": row.signal,
        "duration_ms": row.duration_ms,
        "output_sha256": row.output_digest or None,
    }
