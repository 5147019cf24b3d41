r"""Canonical JSON: RFC 8785 over the value space of docs/formats.md.

In that space (ASCII keys, integers below 2^53, no floats, no lone surrogates, no NUL) Python's
own encoder with sorted keys gives the canonical bytes: code point order is UTF-16 order for
ASCII, and both write `\b \t \n \f \r \" \\` short, other controls as lower-case `\u00xx`, and
the rest as it is.
"""

from __future__ import annotations

import json
from typing import NoReturn

MAX_INTEGER = 2**53
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


class CanonicalError(ValueError):
    """The value, or the text, is outside the canonical form."""


def canonical(value: object) -> bytes:
    """Return the canonical UTF-8 bytes of `value`.

    Args:
        value: None, bool, int, str, list, tuple, or dict with ASCII string keys, nested.

    Raises:
        CanonicalError: the value is outside the restricted space.
    """
    check(value)
    return encode_unchecked(value)


def encode_unchecked(value: object) -> bytes:
    """Encode a value that `parse` returned: its keys and numbers were checked there."""
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except (UnicodeEncodeError, ValueError, TypeError, RecursionError) as error:
        raise CanonicalError(str(error)) from None


def check(value: object) -> None:
    """Raise `CanonicalError` unless `value` is in the restricted value space."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) >= MAX_INTEGER:
            raise CanonicalError("an integer of 2^53 or more")
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise CanonicalError("a key that is not ASCII text")
            _check_text(key)
            check(item)
    else:
        raise CanonicalError(f"a value of type {type(value).__name__}")


def parse(text: bytes) -> object:
    """Parse JSON strictly: UTF-8, no repeated keys, no floats, integers below 2^53.

    Raises:
        CanonicalError: not JSON, or outside the restricted value space.
    """
    try:
        value: object = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_no_float,
            parse_constant=_no_float,
            parse_int=_small_integer,
        )
        check(value)
    except CanonicalError:
        raise
    except RecursionError:
        raise CanonicalError("nested too deeply") from None
    except ValueError as error:
        raise CanonicalError(f"not JSON: {error}") from None
    return value


def parse_canonical(text: bytes) -> object:
    """Parse, and insist that `text` is exactly the canonical form of what it says.

    Raises:
        CanonicalError: as `parse`, or the bytes are not the canonical ones.
    """
    value = parse(text)
    if encode_unchecked(value) != text:
        raise CanonicalError("not in canonical form")
    return value


def _check_text(text: str) -> None:
    if "\0" in text:
        raise CanonicalError("a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalError("text that is not valid Unicode") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise CanonicalError("a repeated key")
    return result


def _no_float(text: str) -> NoReturn:
    raise CanonicalError(f"a number that is not an integer: {text[:40]}")


def _small_integer(text: str) -> int:
    if len(text) > len("-9007199254740991"):
        raise CanonicalError("an integer of 2^53 or more")
    return int(text)
