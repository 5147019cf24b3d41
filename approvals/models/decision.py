import uuid

from django.db import models

from accounts.models import Membership, Organization, User
from approvals.domain.tally import Verdict
from approvals.models.command import ALTERED, CommandRequest
from core.fields import EncryptedTextField


class Decision(models.Model):
    """One person's verdict on one command. Counted from the log, shown from here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    command = models.ForeignKey(CommandRequest, on_delete=models.PROTECT, related_name="decisions")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="+", db_index=False)
    verdict = models.CharField(max_length=8, choices=[(item.value, item.value) for item in Verdict])
    reason = EncryptedTextField(default="", altered=ALTERED)
    digest = models.CharField(max_length=64)
    second_factor = models.CharField(max_length=16)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("command", "user"), name="one_vote_per_person"),)

    def __str__(self) -> str:
        return f"{self.verdict} by {self.user_id}"
