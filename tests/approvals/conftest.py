from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.selectors.rulesets import forget_rulesets
from approvals.services.queues import open_queue
from tests.accounts.cast import ACTOR, Cast, make_cast
from tests.approvals.factories import AgentClient


@pytest.fixture
def cast(db: None) -> Iterator[Cast]:
    """The cast, each organization with its queue. The whitelist database is rolled back as well."""
    now = timezone.now()
    made = make_cast(now)
    for organization in (made.first, made.second):
        open_queue(organization_id=organization.id, actor=ACTOR, now=now - timedelta(days=1))
    yield made
    forget_rulesets()


@pytest.fixture
def agent(cast: Cast) -> AgentClient:
    """The first organization's agent, over HTTP."""
    return AgentClient(cast.key_text)
