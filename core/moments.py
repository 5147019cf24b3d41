"""Times as people and programs write them; what a calendar cannot hold is refused, not computed with."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.dateparse import parse_date, parse_datetime

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def parse_moment(text: Any) -> datetime | None:
    """Return an ISO 8601 time with a zone between 1970 and 9000, or None."""
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
        good = moment is not None and moment.tzinfo is not None and EARLIEST <= moment < LATEST
    except (ValueError, OverflowError):
        return None
    return moment if good else None


def day_start(text: str, zone: ZoneInfo, *, days_later: int = 0) -> datetime | None:
    """Return when the day begins in the zone, or None for what is no date between 1970 and 9000."""
    try:
        day = parse_date(text)
        start = None if day is None else datetime.combine(day + timedelta(days=days_later), time(), zone)
        good = start is not None and EARLIEST <= start < LATEST
    except (ValueError, OverflowError):
        return None
    return start if good else None


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone, UTC where there is none of the name."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
