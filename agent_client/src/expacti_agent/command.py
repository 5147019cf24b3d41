"""A command as the server describes it. Nothing here is trusted: it is shown, never executed."""

from __future__ import annotations

from dataclasses import dataclass, field

from expacti_agent.digest import parse_time
from expacti_agent.errors import ProtocolError

STATES = frozenset(
    ("pending", "approved", "released", "executed", "denied", "expired", "cancelled")
)


@dataclass(frozen=True)
class Command:
    """The members of the server's answer that the client uses.

    `decide_by` is Unix time; `clock_offset_s` what to add to this machine's clock to get the
    server's; `raw` is the whole object.
    """

    id: str
    state: str
    digest: str
    review_url: str
    decide_by: int | None
    clock_offset_s: float
    denial_code: str
    denial_reason: str
    raw: dict[str, object] = field(repr=False)


def read_command(data: object, now: float) -> Command:
    """Read a command object.

    Args:
        data: the parsed JSON.
        now: this machine's Unix time when it came.

    Raises:
        ProtocolError: it is not of the agreed form.
    """
    if not isinstance(data, dict):
        raise ProtocolError("the answer holds no command")
    state = data.get("state")
    if not isinstance(state, str) or state not in STATES:
        raise ProtocolError("the answer holds a command in no known state")
    server_time = _time(data.get("server_time"))
    raw_denial = data.get("denial")
    denial = raw_denial if isinstance(raw_denial, dict) else {}
    return Command(
        id=_required(data, "id"),
        state=state,
        digest=_required(data, "digest"),
        review_url=str(data.get("review_url") or ""),
        decide_by=_time(data.get("decide_by")),
        clock_offset_s=0.0 if server_time is None else server_time - now,
        denial_code=str(denial.get("code") or ""),
        denial_reason=str(denial.get("reason") or ""),
        raw=data,
    )


def _required(data: dict[str, object], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise ProtocolError(f"the answer's command has no {name}")
    return value


def _time(value: object) -> int | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
