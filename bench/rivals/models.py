import uuid

from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords


class _Note(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    organization_id = models.UUIDField(db_index=True)
    state = models.CharField(max_length=16)
    digest = models.CharField(max_length=64)
    text = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        abstract = True


class PlainNote(_Note):
    """Nothing but the row."""


class LoggedNote(_Note):
    """The row and our chained record."""


class AuditlogNote(_Note):
    """django-auditlog."""


class HistoryNote(_Note):
    """django-simple-history."""

    history = HistoricalRecords()


auditlog.register(AuditlogNote)
