"""Canonical JSON (JCS, RFC 8785) over the value space that Expacti signs and hashes.

RFC 8785 sorts keys by UTF-16 code units and prints numbers as ECMAScript does. Inside the
restricted space (ASCII keys, integers below 2^53, no floats) `json.dumps` with sorted keys gives
the same bytes, at C speed; the tests hold the two against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 16

_encode = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
).encode


class CanonicalError(ValueError):
    """The value is outside the space that has one canonical form."""


def dumps(value: Any) -> bytes:
    """Return the RFC 8785 bytes (UTF-8) of `value`.

    Raises:
        CanonicalError: a float, an integer of 2^53 or more, a key that is not an ASCII string, a
            lone surrogate, a NUL, a type that JSON does not have, or nesting past `MAX_DEPTH`.
    """
    _check(value, 0)
    try:
        return _encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        message = "a lone surrogate has no UTF-8 form"
        raise CanonicalError(message) from error


def loads(data: bytes | str) -> Any:
    """Parse JSON strictly; bytes are UTF-8.

    Raises:
        CanonicalError: not JSON, duplicate keys, NaN or Infinity, or outside the value space.
    """
    try:
        # Decoded here: json.loads would guess UTF-16 and UTF-32.
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, CanonicalError):
            raise
        raise CanonicalError(str(error)) from error
    _check(value, 0)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        message = "an object has the same key twice"
        raise CanonicalError(message)
    return result


def _no_constant(name: str) -> Any:
    message = f"{name} is not a JSON number"
    raise CanonicalError(message)


def _check(value: Any, depth: int) -> None:
    if value is None or value is True or value is False:
        return
    kind = type(value)
    if kind is str or isinstance(value, StrEnum):
        _check_text(value)
    elif kind is int:
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            message = "an integer is 2^53 or more"
            raise CanonicalError(message)
    elif depth >= MAX_DEPTH:
        message = f"nested deeper than {MAX_DEPTH}"
        raise CanonicalError(message)
    elif isinstance(value, Mapping):
        _check_object(value, depth)
    elif kind is list or kind is tuple:
        for item in value:
            _check(item, depth + 1)
    else:
        message = f"{kind.__name__} is outside the canonical value space"
        raise CanonicalError(message)


def _check_object(value: Mapping[Any, Any], depth: int) -> None:
    for key, item in value.items():
        if type(key) is not str or not key.isascii():
            message = "an object key is not an ASCII string"
            raise CanonicalError(message)
        _check_text(key)
        _check(item, depth + 1)


def _check_text(value: str) -> None:
    # NUL is refused because PostgreSQL's text cannot hold it: a value that one of our databases
    # cannot store must not be hashable on the other.
    if "\x00" in value:
        message = "a string holds NUL"
        raise CanonicalError(message)
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            message = "a lone surrogate has no UTF-8 form"
            raise CanonicalError(message) from error
