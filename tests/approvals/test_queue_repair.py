"""A forged queue row must not become genuine by way of a service that seals it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.utils import timezone

from approvals.models import ApprovalPolicy, QueueState
from approvals.schedule import recover_whitelists
from approvals.selectors.integrity import get_queue, policy_document_hash
from approvals.selectors.rulesets import forget_rulesets
from approvals.services.freeze import freeze_queue, unfreeze_queue
from approvals.services.policies import PolicyChange, change_policy
from approvals.services.rules import retire_rule
from approvals.whitelist.models import WhitelistRule
from core.problems import Problem
from tests.accounts.cast import Cast
from tests.approvals.factories import NONCE, AgentClient, access, allow, make_body, queue_of

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL + 1):
        yield


def forge_policy(cast: Cast) -> None:
    """One approval instead of two, with the hash that everybody can compute."""
    policy = ApprovalPolicy.objects.get(organization_id=cast.first.id)
    policy.require_reason = not policy.require_reason
    policy.save()
    rows = QueueState.objects.filter(organization_id=cast.first.id)
    rows.update(policy_hash=policy_document_hash(policy))


def test_sweeper_does_not_bring_a_retired_rule_back(cast: Cast, agent: AgentClient) -> None:
    rule = allow(cast, "ls")
    root = queue_of(cast).whitelist_root
    retire_rule(access=access(cast, "alice"), rule_id=UUID(rule.id), now=timezone.now())
    WhitelistRule.objects.filter(pk=rule.id).update(version_retired=None)
    QueueState.objects.filter(organization_id=cast.first.id).update(pending_version=3, pending_root=root)
    forget_rulesets()
    recover_whitelists()
    assert get_queue(cast.first.id).broken is not None
    answer = agent.submit(make_body(cast.agent, "ls", release_nonce=NONCE)).json()
    assert (answer["state"], "grant" in answer) == ("pending", False)


def change(cast: Cast) -> None:
    content = PolicyChange("Default", 1, 1, None, False, None)
    change_policy(access=access(cast, "alice"), policy_id=queue_of(cast).policy_id, change=content, now=timezone.now())


def test_policy_cannot_be_changed_on_a_forged_row(cast: Cast) -> None:
    forge_policy(cast)
    with pytest.raises(Problem) as refused:
        change(cast)
    assert refused.value.code == "integrity_violated"
    assert get_queue(cast.first.id).broken is not None


@pytest.mark.parametrize("repair", [freeze_queue, unfreeze_queue])
def test_freezing_and_unfreezing_take_a_forgery_back(cast: Cast, repair: Callable[..., None]) -> None:
    genuine = queue_of(cast).policy_hash
    forge_policy(cast)
    repair(access=access(cast, "alice"), reason="looked", now=timezone.now())
    view = get_queue(cast.first.id)
    assert view.broken is None
    assert view.row.policy_hash == genuine
    assert policy_document_hash(view.row.policy) != genuine  # the policy row is still the forged one
    assert (view.row.frozen_at is not None) == (repair is freeze_queue)


def test_repair_of_a_row_that_says_another_version(cast: Cast) -> None:
    QueueState.objects.filter(organization_id=cast.first.id).update(version=40, frozen_at=timezone.now())
    unfreeze_queue(access=access(cast, "alice"), reason="looked", now=timezone.now())
    assert get_queue(cast.first.id).broken is None


def test_orphans_of_a_crashed_change_do_not_wedge_the_whitelist(cast: Cast, agent: AgentClient) -> None:
    rule = allow(cast, "ls")
    orphan = WhitelistRule.objects.get(pk=rule.id)
    orphan.version_retired = 2  # written, and the intent rolled back around it
    orphan.save()
    allow(cast, "id")
    answer = agent.submit(make_body(cast.agent, "ls", release_nonce=NONCE)).json()
    assert answer["state"] == "released"
