"""The log: a head row per log and its records. Rows are written by `audit.services` alone."""

from audit.models.event import AuditEvent
from audit.models.log import AuditLog

__all__ = ["AuditEvent", "AuditLog"]
