"""Write one version of an organization's rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.whitelist.models import WhitelistRule
from approvals.whitelist.router import DATABASE


def add_rule(
    *,
    organization_id: UUID,
    document: dict[str, Any],
    version: int,
    created_by: UUID,
    now: datetime,
) -> None:
    """Insert the rule that `version` adds."""
    WhitelistRule.objects.create(
        id=UUID(document["id"]),
        organization_id=organization_id,
        document=document,
        version_added=version,
        created_by=created_by,
        created_at=now,
    )


def retire_rule(*, organization_id: UUID, rule_id: UUID, version: int) -> bool:
    """Let the rule end with `version`; False when it does not hold any more."""
    rows = WhitelistRule.objects.filter(organization_id=organization_id, pk=rule_id, version_retired=None)
    return rows.update(version_retired=version) == 1


@transaction.atomic(using=DATABASE)
def discard_after(*, organization_id: UUID, version: int) -> None:
    """Undo whatever was written for versions after this one, the last that was applied."""
    rules = WhitelistRule.objects.filter(organization_id=organization_id)
    rules.filter(version_added__gt=version).delete()
    rules.filter(version_retired__gt=version).update(version_retired=None)
