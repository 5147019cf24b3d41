r"""A rule's canonical bytes, its leaf, and the root of all rules (`expacti/rule/1`, `expacti/rules/1`).

    leaf = SHA-256("expacti/rule/1\n" || JCS(document))
    root = hex(SHA-256("expacti/rules/1\n" || leaves, sorted, joined))

The audit log holds the root, and devices sign documents: this format never changes. A change is
a new version beside it. `uses` is not part of it: counts live in the main database and move with
every approval. JCS is RFC 8785 over strings, integers, lists, objects with ASCII keys and null.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from approvals.whitelist.domain.model import Rule

RULE_PREFIX = b"expacti/rule/1\n"
ROOT_PREFIX = b"expacti/rules/1\n"
_MAX_INTEGER = 2**53

Value = None | str | int | Sequence["Value"] | Mapping[str, "Value"]


class CanonicalError(ValueError):
    """A value that has no canonical form."""


def rule_document(rule: Rule) -> dict[str, Value]:
    """Everything of a rule that decides what it matches and that people wrote."""
    return {
        "effect": str(rule.effect),
        "expires_at": None if rule.expires_at is None else _time(rule.expires_at),
        "id": rule.id,
        "kind": str(rule.kind),
        "max_uses": rule.max_uses,
        "pattern": rule.pattern,
        "reason": rule.reason,
        "scope": {
            "agents": sorted(set(rule.scope.agents)),
            "cwds": sorted(set(rule.scope.cwds)),
            "hosts": sorted(set(rule.scope.hosts)),
            "users": sorted(set(rule.scope.users)),
        },
        "should_match": list(rule.should_match),
        "should_not_match": list(rule.should_not_match),
        "v": 1,
    }


def canonical(value: Value) -> bytes:
    """RFC 8785 over the restricted value space; anything outside it is a `CanonicalError`."""
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def leaf(rule: Rule) -> bytes:
    """The 32 bytes that stand for one rule."""
    return hashlib.sha256(RULE_PREFIX + canonical(rule_document(rule))).digest()


def root(leaves: Iterable[bytes]) -> str:
    """One hash for the whole set, whatever the order that the database gives it in."""
    ordered = sorted(leaves)
    if any(len(one) != hashlib.sha256().digest_size for one in ordered):
        message = "a leaf is not 32 bytes"
        raise CanonicalError(message)
    return hashlib.sha256(ROOT_PREFIX + b"".join(ordered)).hexdigest()


def _time(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`; a fraction or a missing zone is refused, not rounded."""
    if moment.tzinfo is None or moment.microsecond:
        message = "a time needs a zone and whole seconds"
        raise CanonicalError(message)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(value: Value) -> None:
    if value is None:
        return
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= _MAX_INTEGER:
            message = "an integer is too large"
            raise CanonicalError(message)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isascii():
                message = "a key is not ASCII text"
                raise CanonicalError(message)
            _check_text(key)
            _check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner)
    else:
        message = f"a {type(value).__name__} has no canonical form"
        raise CanonicalError(message)


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        message = "a text holds NUL or a lone surrogate"
        raise CanonicalError(message)
