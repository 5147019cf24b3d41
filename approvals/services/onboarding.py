"""Found an organization, complete: people, log, policy, queue."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Organization, User
from accounts.services.organizations import create_organization
from approvals.services.queues import open_queue


@transaction.atomic
def found_organization(*, name: str, slug: str, owner: User, actor: str, now: datetime) -> Organization:
    """Create an organization whose agents may submit at once.

    Raises:
        Problem: 422 for a name or slug that is malformed or taken.
    """
    organization = create_organization(name=name, slug=slug, owner=owner, actor=actor, now=now)
    open_queue(organization_id=organization.id, actor=actor, now=now)
    return organization
