from django.db import models


class AuditLog(models.Model):
    """The head of one log: how many records it has and the leaf hash of the last.

    No foreign key to the organization: a log outlives it. `organization_id` is null for the
    instance log, which holds what belongs to no organization.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organization_id = models.UUIDField(null=True, unique=True, editable=False)
    origin = models.CharField(max_length=255, unique=True, editable=False)
    size = models.BigIntegerField(default=0, editable=False)
    last_leaf = models.BinaryField(max_length=32, editable=False)
    # What `last_leaf` was before the latest append: how one UPDATE can say what it replaced.
    prev_leaf = models.BinaryField(max_length=32, editable=False)

    class Meta:
        db_table = "audit_log"

    def __str__(self) -> str:
        return self.origin
