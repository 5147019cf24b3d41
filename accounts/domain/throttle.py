"""How long to wait after wrong codes: 1, 2, 4, 8 … seconds, up to a limit."""

from __future__ import annotations

import math
from datetime import datetime

MAX_DOUBLINGS = 30


def retry_after_s(failures: int, last_failure: datetime | None, *, now: datetime, factor_s: int, limit_s: int) -> int:
    """Return the whole seconds until the next attempt counts; 0 when it may be made now."""
    if failures <= 0 or last_failure is None:
        return 0
    delay = min(factor_s << min(failures - 1, MAX_DOUBLINGS), limit_s)
    passed = (now - last_failure).total_seconds()
    return max(0, math.ceil(delay - passed))
