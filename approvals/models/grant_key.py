from django.db import models


class GrantKeyGeneration(models.Model):
    """A generation of the instance's grant key: its number and the old key's word for it.

    The private key is derived from the root key, and is in no database.
    """

    generation = models.PositiveIntegerField(primary_key=True)
    created_at = models.DateTimeField()
    rotation = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"generation {self.generation}"
