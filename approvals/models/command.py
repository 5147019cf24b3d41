from typing import Any

from django.db import models
from django.db.models import Q

from accounts.models import Agent, ApiKey, Organization, User
from approvals.domain.states import State
from core.fields import EncryptedJSONField, EncryptedTextField

# What stands for encrypted columns that were changed in the database. The digest and the seal notice
# at the next decision; until then lists go on.
ALTERED = "(altered in the database)"
ALTERED_WISH: dict[str, Any] = {
    "argv": [ALTERED], "shell": None, "exe": None, "cwd": "/", "env": {}, "user": "", "host": "", "stdin": "none",
}  # fmt: skip


class CommandRequest(models.Model):
    """One command that an agent asks to run. A projection of its audit records, and sealed.

    `wish`, `reason`, `context` and `denial_reason` are what a thief of the database may not read.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="commands")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    # The person whose sign-in submitted it, where it was not an agent's key.
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    state = models.CharField(max_length=16, choices=[(state.value, state.value) for state in State])
    nonce = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    body_hash = models.CharField(max_length=64)
    wish = EncryptedJSONField(altered=ALTERED_WISH)
    reason = EncryptedTextField(default="", altered=ALTERED)
    context = EncryptedJSONField(default=dict, altered={})
    match = EncryptedJSONField(default=dict, altered={"outcome": "review", "reasons": [ALTERED], "rules": []})
    policy = models.JSONField()
    policy_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decide_by = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=8, blank=True, default="")
    denial_code = models.CharField(max_length=16, blank=True, default="")
    denial_reason = EncryptedTextField(default="", altered=ALTERED)
    released_at = models.DateTimeField(null=True)
    release_nonce = models.CharField(max_length=32, blank=True, default="")
    grant_jti = models.CharField(max_length=32, blank=True, default="")
    grant = models.TextField(blank=True, default="")
    finished_at = models.DateTimeField(null=True)
    exit_code = models.SmallIntegerField(null=True)
    signal = models.SmallIntegerField(null=True)
    duration_ms = models.BigIntegerField(null=True)
    output_digest = models.CharField(max_length=64, blank=True, default="")
    version = models.PositiveIntegerField()
    last_event = models.UUIDField()
    seal_v = models.PositiveSmallIntegerField()
    seal = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = "command"
        indexes = (
            models.Index(fields=("organization", "-created_at", "-id"), name="command_newest"),
            models.Index(
                fields=("organization", "created_at", "id"),
                condition=Q(state__in=("pending", "approved")),
                name="command_open",
            ),
            models.Index(fields=("decide_by",), condition=Q(state__in=("pending", "approved")), name="command_due"),
            models.Index(fields=("organization", "fingerprint", "-created_at"), name="command_same"),
        )

    def __str__(self) -> str:
        return str(self.id)


class CommandWord(models.Model):
    """A keyed digest of one word of a command, to search by."""

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    word = models.BigIntegerField()
    command = models.ForeignKey(CommandRequest, on_delete=models.CASCADE, related_name="words", db_index=False)

    class Meta:
        indexes = (models.Index(fields=("organization_id", "word", "command"), name="command_word"),)

    def __str__(self) -> str:
        return str(self.word)
