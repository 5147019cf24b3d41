"""A command as pages show it: every character visible, every argument apart.

Text from agents is hostile. `segments` splits it so that templates show hidden characters as their
code points; plain strings here went through `visible`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.domain.access import Access
from approvals.domain.request import Wish
from approvals.domain.states import State
from approvals.domain.tally import Verdict
from approvals.models import CommandRequest
from approvals.selectors.commands import (
    count_approvals,
    effective_state,
    required_approvals,
    summarize_histories,
    summarize_history,
)
from approvals.selectors.integrity import policy_of
from approvals.services.decide import own_command_problem
from approvals.whitelist.domain.checks import dangerous_names
from approvals.whitelist.domain.limits import DEFAULT_LIMITS
from approvals.whitelist.domain.shell import Segment, TooLong, parse_line
from core.text import segments, visible

HISTORY_WINDOW = timedelta(days=30)
DIGEST_SHORT_CHARS = 12


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes: what they may decide depends on it."""

    access: Access
    now: datetime


def present_command(row: CommandRequest, viewer: Viewer, *, history: bool = True) -> dict[str, Any]:
    """Return what the command templates take.

    One query for the history; none for the rest of it when decisions are prefetched.
    """
    state = effective_state(row, viewer.now)
    votes = {vote.user_id: vote.verdict for vote in row.decisions.all()}
    objection = objection_to(row, viewer, state, votes)
    return {
        **present_wish(row),
        "id": row.id,
        "state": str(state),
        "reason_segments": segments(row.reason) if row.reason else [],
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "decide_by": row.decide_by,
        "digest": row.digest,
        "digest_short": row.digest[:DIGEST_SHORT_CHARS],
        "version": row.version,
        "approvals": count_approvals(row),
        "required": required_approvals(row),
        "my_vote": votes.get(viewer.access.user_id, ""),
        "can_decide": objection is None,
        "cannot_decide_reason": objection or "",
        "notes": [visible(note) for note in row.match.get("reasons", [])],
        "history": _history(row, viewer.now) if history else {},
        "decided_by": row.decided_by,
        "decided_by_label": _decider(row),
        "result": _result(row),
        "grant": _grant(row),
        "denial_reason": visible(row.denial_reason),
    }


def present_commands(rows: Iterable[CommandRequest], viewer: Viewer) -> list[dict[str, Any]]:
    """Return what the queue shows of commands, with one query for all their histories."""
    rows, since = list(rows), viewer.now - HISTORY_WINDOW
    histories = summarize_histories(viewer.access.organization_id, rows, since=since)
    return [{**present_command(row, viewer, history=False), "history": _worded(histories[row.pk])} for row in rows]


def present_wish(row: CommandRequest) -> dict[str, Any]:
    """Return what runs, and where."""
    wish = Wish.from_dict(row.wish)
    return {
        "agent_name": visible(row.agent.name),
        "user": visible(wish.user),
        "host": visible(wish.host),
        "cwd": visible(wish.cwd),
        "exe": visible(wish.exe) if wish.exe else None,
        "path_bound": wish.path_bound,
        "form": "shell" if wish.argv is None else "argv",
        "argv": [segments(word) if word else [] for word in wish.argv or ()],
        "command_segments": segments(wish.command) if wish.command is not None else [],
        "parsed": _parsed(wish.command) if wish.command is not None else [],
        "env_rows": _env_rows(wish.env),
        "stdin": wish.stdin,
    }


def objection_to(row: CommandRequest, viewer: Viewer, state: str, votes: dict[UUID, str]) -> str | None:
    """Return why the viewer cannot decide on the command now, or None."""
    access = viewer.access
    if state != State.PENDING:
        return "It is decided."
    if not access.can_review:
        return f"Your role ({access.role}) does not decide on commands."
    if access.user_id in votes:
        return "You have voted."
    try:
        problem = own_command_problem(access.user_id, row, policy_of(row))
    except TypeError:
        return "Its policy was altered in the database."
    return None if problem is None else problem.detail


def present_votes(row: CommandRequest) -> list[dict[str, Any]]:
    """Return the votes in their order."""
    votes = sorted(row.decisions.all(), key=lambda vote: vote.created_at)
    return [
        {
            "reviewer": visible(str(vote.user)),
            "verdict": vote.verdict,
            "at": vote.created_at,
            "reason": visible(vote.reason),
        }
        for vote in votes
    ]


def _parsed(line: str) -> list[dict[str, Any]]:
    parsed = parse_line(line, DEFAULT_LIMITS)
    if isinstance(parsed, TooLong):
        return []
    return [_segment(part) for part in parsed.segments]


def _segment(part: Segment) -> dict[str, Any]:
    notes = dict.fromkeys([*part.notes, *(note for word in part.words for note in word.notes)])
    words: Iterable[str] = (word.value if word.literal else word.source for word in part.words)
    return {
        "argv": [segments(word) if word else [] for word in words],
        "notes": [visible(str(note)) for note in notes],
    }


def _env_rows(env: dict[str, str | None]) -> list[dict[str, Any]]:
    dangerous = dangerous_names(env)
    return [
        {
            "name": visible(name),
            "value_segments": segments(value or ""),
            "removed": value is None,
            "dangerous": name in dangerous,
        }
        for name, value in sorted(env.items())
    ]


def _history(row: CommandRequest, now: datetime) -> dict[str, Any]:
    found = summarize_history(row.organization_id, row.fingerprint, since=now - HISTORY_WINDOW, besides=row.id)
    return _worded(found)


def _worded(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "last_verdict": str(found["last_verdict"])}


def _decider(row: CommandRequest) -> str:
    votes: Sequence[Any] = [
        vote for vote in row.decisions.all() if (vote.verdict == Verdict.DENY) == bool(row.denial_code)
    ]
    return ", ".join(visible(str(vote.user)) for vote in votes) if row.decided_by == "review" else ""


def _result(row: CommandRequest) -> dict[str, Any] | None:
    if row.state != State.EXECUTED:
        return None
    return {
        "exit_code": row.exit_code,
        "signal": row.signal,
        "duration_ms": row.duration_ms,
        "output_sha256": row.output_digest,
    }


def _grant(row: CommandRequest) -> dict[str, Any] | None:
    return {"released_at": row.released_at, "jti": row.grant_jti} if row.released_at else None
