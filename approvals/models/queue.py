from django.db import models

from accounts.models import Organization
from approvals.models.policy import ApprovalPolicy


class QueueState(models.Model):
    """One row per organization: is it frozen, and which whitelist is in force. Sealed.

    While `pending_version` is set a change of the whitelist is under way, and everything goes to
    humans.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="queue_state"
    )
    frozen_at = models.DateTimeField(null=True)
    frozen_reason = models.CharField(max_length=200, blank=True, default="")
    whitelist_version = models.PositiveIntegerField(default=0)
    whitelist_root = models.CharField(max_length=64)
    pending_version = models.PositiveIntegerField(null=True)
    pending_root = models.CharField(max_length=64, blank=True, default="")
    policy = models.ForeignKey(ApprovalPolicy, on_delete=models.PROTECT, related_name="+", db_index=False)
    # The default policy in force: a policy row that does not hash to this was changed behind us.
    policy_hash = models.CharField(max_length=64)
    last_event = models.UUIDField()
    version = models.PositiveIntegerField(default=1)
    seal = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"queue of {self.organization_id}"


class RuleUse(models.Model):
    """How often a whitelist rule approved. Here, so that it counts in the approval's transaction."""

    rule_id = models.UUIDField(primary_key=True)
    organization_id = models.UUIDField(db_index=True)
    uses = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.uses}"
