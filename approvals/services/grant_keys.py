"""Rotate the instance's grant key: the old key signs the new one."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from approvals.domain.grants import GrantKey, sign_rotation
from approvals.models import GrantKeyGeneration
from approvals.selectors.grant_keys import FIRST_GENERATION, forget_grant_key, get_grant_key, grant_key
from audit.services import Event, append


@transaction.atomic
def rotate_grant_key(*, actor: str, now: datetime) -> GrantKey:
    """Make the next generation current and return it. Clients follow the signed rotation."""
    GrantKeyGeneration.objects.get_or_create(generation=FIRST_GENERATION, defaults={"created_at": now})
    forget_grant_key()
    old = get_grant_key()
    new = grant_key(old.generation + 1)
    GrantKeyGeneration.objects.create(
        generation=new.generation,
        created_at=now,
        rotation=sign_rotation(old, new, iat=int(now.timestamp())),
    )
    facts = {"generation": new.generation, "kid": new.kid, "old_kid": old.kid}
    event = Event("grant_key.rotated", "system:grant-key", actor, facts)
    append(organization_id=None, now=now, events=[event])
    transaction.on_commit(forget_grant_key)
    return new
