"""Seal the rows of open commands, and replay their records.

A row is a projection of the audit log. Its named columns are committed to by the last record about
it (`facts.columns`), and a MAC under a key that is not in the database is kept beside them. The list
of columns belongs to `seal_v`: a new column is a new `seal_v`, and old seals stay good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from approvals.domain.states import State, may_follow
from approvals.domain.tally import Verdict
from audit.domain.chain import authentic
from audit.domain.record import leaf_hash
from core import canonical, keys

COLUMNS_PREFIX = b"expacti/columns/1\n"
SEAL_PREFIX = b"expacti/seal/1\n"
SEAL_V = 1

_STATE_AFTER: dict[str, State] = {
    "command.submitted": State.PENDING,
    "command.approved": State.APPROVED,
    "command.released": State.RELEASED,
    "command.executed": State.EXECUTED,
    "command.denied": State.DENIED,
    "command.expired": State.EXPIRED,
    "command.cancelled": State.CANCELLED,
}
_NO_CHANGE = frozenset(("command.voted",))
# About the command, but not one of its versions.
_ASIDE = frozenset(("integrity.violated", "decision.refused"))


@dataclass(frozen=True, slots=True)
class ReplayedVote:
    """One `command.voted` record."""

    person: str
    verdict: Verdict
    digest: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the log says about a command."""

    state: State
    version: int
    last_event: str
    columns: str | None
    votes: tuple[ReplayedVote, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Why row and log do not belong together."""

    reason: str


@dataclass(slots=True)
class _Progress:
    state: State | None = None
    version: int = 0
    last_event: str = ""
    columns: str | None = None
    votes: list[ReplayedVote] = field(default_factory=list)


def columns_commitment(columns: Mapping[str, Any]) -> str:
    """Return the hex commitment to a row's named columns."""
    return hashlib.sha256(COLUMNS_PREFIX + canonical.dumps(columns)).hexdigest()


def make_seal(key: bytes, *, columns: str, last_event: str, version: int) -> bytes:
    """Return the row's seal, 32 bytes."""
    sealed = {"columns": columns, "last_event": last_event, "seal_v": SEAL_V, "version": version}
    return keys.mac(key, SEAL_PREFIX + canonical.dumps(sealed))


def replay(raws: Sequence[tuple[bytes, bytes]], *, mac_key: bytes) -> Replayed | Broken:
    """Replay one command's records, oldest first, each as `(raw bytes, stored leaf hash)`."""
    progress = _Progress()
    for raw, leaf in raws:
        if leaf_hash(raw) != leaf:
            return Broken("a record's bytes are not those that were hashed")
        try:
            record = canonical.loads(raw)
            genuine = authentic(record, mac_key)
        except (canonical.CanonicalError, KeyError, TypeError, AttributeError):
            return Broken("a record cannot be read")
        if not genuine:
            return Broken("a record was not written by this server")
        broken = _step(progress, record)
        if broken is not None:
            return broken
    if progress.state is None:
        return Broken("the log has no record of it")
    return Replayed(
        progress.state,
        progress.version,
        progress.last_event,
        progress.columns,
        tuple(progress.votes),
    )


def _step(progress: _Progress, record: dict[str, Any]) -> Broken | None:
    kind, facts = record["type"], record["facts"]
    if kind in _ASIDE:
        return None
    if facts["version"] != progress.version + 1:
        return Broken("a record is missing, or stands twice")
    if kind in _STATE_AFTER:
        after = _STATE_AFTER[kind]
        first = progress.state is None
        if first != (after == State.PENDING) or (not first and not may_follow(progress.state, after)):  # type: ignore[arg-type]
            return Broken(f"{kind} cannot follow {progress.state}")
        progress.state = after
    elif kind in _NO_CHANGE:
        vote = ReplayedVote(facts["voter"], Verdict(facts["verdict"]), facts["digest"])
        progress.votes.append(vote)
    else:
        return Broken(f"{kind} is not an event of a command")
    progress.version = facts["version"]
    progress.last_event = record["event_id"]
    progress.columns = facts.get("columns")
    return None


def check_row(
    replayed: Replayed | Broken,
    *,
    columns: Mapping[str, Any],
    state: str,
    version: int,
    last_event: str,
    seal: bytes,
    key: bytes,
) -> Broken | None:
    """Return why the row cannot be trusted, or None."""
    commitment = columns_commitment(columns)
    expected = make_seal(key, columns=commitment, last_event=last_event, version=version)
    if not keys.equal(seal, expected):
        return Broken("the row's seal does not hold")
    if isinstance(replayed, Broken):
        return replayed
    if (replayed.version, replayed.last_event) != (version, last_event):
        return Broken("the row is not the version that the log ends with")
    if replayed.columns != commitment:
        return Broken("the row is not the one that its last record commits to")
    if replayed.state != state:
        return Broken("the row's state is not the log's")
    return None
