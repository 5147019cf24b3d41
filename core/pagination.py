"""Keyset pagination with signed, opaque cursors: page N costs what page 1 costs."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from core import canonical, keys
from core.problems import FieldError, Problem, invalid

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
TAG_BYTES = 16
MAX_DIGITS = 6


def encode(scope: str, position: list[Any]) -> str:
    """Return the cursor for `position`, usable only for `scope` (the listing and its owner)."""
    data = canonical.dumps(position)
    tag = keys.mac(keys.derive("cursor", scope), data)[:TAG_BYTES]
    return base64.urlsafe_b64encode(tag + data).rstrip(b"=").decode()


def decode(scope: str, cursor: str) -> list[Any]:
    """Return the position.

    Raises:
        Problem: 400 `bad_cursor` when it is not one that we made for this scope.
    """
    refusal = Problem(400, "bad_cursor", "The cursor is not valid here. Start again without it.")
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (ValueError, binascii.Error) as error:
        raise refusal from error
    tag, data = raw[:TAG_BYTES], raw[TAG_BYTES:]
    if not keys.equal(tag, keys.mac(keys.derive("cursor", scope), data)[:TAG_BYTES]):
        raise refusal
    position = canonical.loads(data)
    if not isinstance(position, list):
        raise refusal
    return position


def is_small_number(text: str) -> bool:
    """Tell whether the text is a whole number of at most six digits: longer ones are not even read."""
    return len(text) <= MAX_DIGITS and text.isascii() and text.isdigit()


def parse_limit(text: str | None) -> int:
    """Return the page size that a query string asks for.

    Raises:
        Problem: 422 when it is not a whole number from 1 to `MAX_LIMIT`.
    """
    if text is None or text == "":
        return DEFAULT_LIMIT
    if not is_small_number(text) or not 1 <= int(text) <= MAX_LIMIT:
        detail = f"A whole number from 1 to {MAX_LIMIT}."
        raise invalid(FieldError("/limit", "out_of_range", detail))
    return int(text)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def newest_page(rows: QuerySet[Any], *, scope: str, cursor: str | None, limit: int) -> tuple[list[Any], str | None]:
    """Cut one page of rows ordered by `-created_at, -id`; return it with the next page's cursor."""
    if cursor:
        micros, identifier = decode(scope, cursor)
        moment = EPOCH + timedelta(microseconds=micros)
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=UUID(identifier)))
    page = list(rows[: limit + 1])
    if len(page) <= limit:
        return page, None
    last = page[limit - 1]
    micros = (last.created_at - EPOCH) // timedelta(microseconds=1)
    return page[:limit], encode(scope, [micros, str(last.id)])
