import uuid

from django.db import models
from django.db.models import Q

from accounts.models import Organization


class ApprovalPolicy(models.Model):
    """What a command needs before it may run. Ordered: the first that applies wins.

    Conditions join with the policy engine; until then each organization has one, its default.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", editable=False)
    name = models.CharField(max_length=80, default="Default")
    position = models.PositiveIntegerField(default=0, editable=False)
    required_approvals = models.PositiveSmallIntegerField(
        default=1, help_text="How many different people must approve."
    )
    deny_threshold = models.PositiveSmallIntegerField(default=1, help_text="How many denials end it.")
    separation_of_duties = models.BooleanField(
        null=True,
        blank=True,
        help_text="Whether an agent's owner is kept from voting. Unknown: yes from two approvals up.",
    )
    require_reason = models.BooleanField(
        default=False, help_text="Whether an approval needs a reason. A denial always does."
    )
    decide_within_s = models.PositiveIntegerField(
        "decide within (seconds)",
        null=True,
        blank=True,
        help_text="Shortens the time to decide, never lengthens it.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name_plural = "approval policies"
        constraints = (
            models.UniqueConstraint(fields=("organization", "position"), name="policy_position"),
            models.CheckConstraint(
                condition=Q(required_approvals__gte=1, required_approvals__lte=20),
                name="policy_required_approvals",
            ),
            models.CheckConstraint(
                condition=Q(deny_threshold__gte=1, deny_threshold__lte=20),
                name="policy_deny_threshold",
            ),
        )

    def __str__(self) -> str:
        return self.name
