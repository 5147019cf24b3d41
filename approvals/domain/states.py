"""The life of a command: its states and the only ways between them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    RELEASED = "released"
    EXECUTED = "executed"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN = frozenset((State.PENDING, State.APPROVED))
TERMINAL = frozenset((State.EXECUTED, State.DENIED, State.EXPIRED, State.CANCELLED))

_NEXT: dict[State, frozenset[State]] = {
    State.PENDING: frozenset((State.APPROVED, State.DENIED, State.EXPIRED, State.CANCELLED)),
    State.APPROVED: frozenset((State.RELEASED, State.DENIED, State.EXPIRED, State.CANCELLED)),
    State.RELEASED: frozenset((State.EXECUTED,)),
}


def may_follow(before: str, after: str) -> bool:
    """Tell whether `after` may follow `before`. Terminal states are followed by nothing."""
    return after in _NEXT.get(State(before), frozenset())
