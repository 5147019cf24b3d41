"""Replay a queue's records: what its row must say, when the row itself cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from approvals.domain.seal import Broken
from audit.domain.chain import authentic
from audit.domain.record import leaf_hash
from core import canonical


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue as its records tell it. `pending_version` is set while a change is under way."""

    version: int = 0
    last_event: str = ""
    frozen: bool = False
    policy_hash: str = ""
    whitelist_version: int = 0
    whitelist_root: str = ""
    pending_version: int | None = None
    pending_root: str = ""


def replay_queue(raws: Iterable[tuple[bytes, bytes]], *, mac_key: bytes) -> QueueFacts | Broken:
    """Replay one queue's records, oldest first, each as `(raw bytes, stored leaf hash)`."""
    facts = QueueFacts()
    for raw, leaf in raws:
        if leaf_hash(raw) != leaf:
            return Broken("a record's bytes are not those that were hashed")
        try:
            record = canonical.loads(raw)
            if not authentic(record, mac_key):
                return Broken("a record was not written by this server")
            after = _step(facts, record)
        except (canonical.CanonicalError, KeyError, TypeError, AttributeError):
            return Broken("a record cannot be read")
        if isinstance(after, Broken):
            return after
        facts = after
    return facts if facts.version else Broken("the log has no record of it")


def _step(before: QueueFacts, record: dict[str, Any]) -> QueueFacts | Broken:  # noqa: PLR0911 - a table
    kind, facts = record["type"], record["facts"]
    if kind == "integrity.violated":
        return before
    if facts["version"] != before.version + 1:
        return Broken("a record is missing, or stands twice")
    after = replace(before, version=facts["version"], last_event=record["event_id"])
    match kind:
        case "queue.opened":
            return replace(after, policy_hash=facts["policy_hash"], whitelist_root=facts["whitelist_root"])
        case "queue.frozen":
            return replace(after, frozen=True)
        case "queue.unfrozen":
            return replace(after, frozen=False)
        case "policy.changed":
            return replace(after, policy_hash=facts["policy_hash"])
        case "whitelist.intent":
            return replace(after, pending_version=facts["whitelist_version"], pending_root=facts["root"])
        case "whitelist.applied":
            root, version = facts["root"], facts["whitelist_version"]
            return replace(after, whitelist_root=root, whitelist_version=version, pending_version=None, pending_root="")
        case "whitelist.voided":
            return replace(after, pending_version=None, pending_root="")
    return Broken(f"{kind} is not an event of a queue")
