import uuid

from django.db import models
from django_otp.models import Device, ThrottlingMixin, TimestampMixin

from accounts.models.user import User
from core.fields import EncryptedTextField


class TotpDevice(TimestampMixin, ThrottlingMixin, Device):
    """RFC 6238, SHA-1, 6 digits, 30 s: what every authenticator app speaks.

    Its own model because django-otp's keeps the seed in clear. `last_step` is the time step of the
    last accepted code: a code counts once.
    """

    seed = EncryptedTextField()
    last_step = models.BigIntegerField(default=-1)

    class Meta(Device.Meta):
        verbose_name = "authenticator app"


class BackupCode(models.Model):
    """A single-use code for a lost phone. Only a keyed hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="backup_codes")
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField(editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "digest"), name="backup_code_once"),)

    def __str__(self) -> str:
        return "backup code"
