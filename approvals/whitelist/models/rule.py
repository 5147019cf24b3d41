import uuid

from django.db import models

from core.fields import EncryptedJSONField


class WhitelistRule(models.Model):
    """One rule. `document` is authoritative; it and its place in the versions never change.

    A rule holds from `version_added` until before `version_retired`. Which version is in force is
    said by the audit log, not here.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField()
    document = EncryptedJSONField()
    version_added = models.PositiveIntegerField()
    version_retired = models.PositiveIntegerField(null=True)
    created_by = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("organization_id", "version_retired"), name="rule_in_force"),)

    def __str__(self) -> str:
        return str(self.id)
