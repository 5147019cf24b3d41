from django.db import models

from audit.models.log import AuditLog
from core.fields import EncryptedJSONField


class AuditEvent(models.Model):
    """One record. `raw` is authoritative; the other columns are copies to find it by.

    `payload` and `salt` go together, and go away together when the payload is erased.
    """

    event_id = models.UUIDField(primary_key=True, editable=False)
    # The append function vouches for the log; a constraint would cost a lookup at every append.
    log = models.ForeignKey(
        AuditLog, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField(editable=False)
    ts = models.DateTimeField(editable=False)
    type = models.CharField(max_length=64, editable=False)
    obj = models.CharField(max_length=64, editable=False)
    actor = models.CharField(max_length=64, editable=False)
    raw = models.TextField(editable=False)
    leaf_hash = models.BinaryField(max_length=32, editable=False)
    salt = models.BinaryField(max_length=32, null=True, editable=False)
    payload = EncryptedJSONField(null=True)

    class Meta:
        db_table = "audit_event"
        constraints = (models.UniqueConstraint(fields=("log", "seq"), name="audit_event_log_seq"),)
        indexes = (
            models.Index(fields=("log", "obj", "seq"), name="audit_event_obj"),
            models.Index(fields=("log", "actor", "seq"), name="audit_event_actor"),
            models.Index(fields=("log", "type", "seq"), name="audit_event_type"),
        )

    def __str__(self) -> str:
        return f"{self.type} #{self.seq}"
