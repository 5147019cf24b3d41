"""Write to the log. `append` is the one way in."""

from audit.domain.record import Event
from audit.services.append import Appended, GuardFailed, append
from audit.services.logs import open_log

__all__ = ["Appended", "Event", "GuardFailed", "append", "open_log"]
