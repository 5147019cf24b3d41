"""What comes of a second factor: accepted, or rejected for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """By what somebody proves more than a password."""

    TOTP = "totp"
    BACKUP_CODE = "backup_code"


class Reason(StrEnum):
    """Why a factor did not count."""

    WRONG = "wrong"
    REUSED = "reused"
    LOCKED = "locked"
    NOT_ENROLLED = "not_enrolled"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The factor counts, this once. `device_id` is the device that it is, or stands in for."""

    method: Method
    device_id: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """It does not count. `retry_after_s` is above 0 while further attempts are not looked at."""

    reason: Reason
    retry_after_s: int = 0


FactorOutcome = Accepted | Rejected
