"""What the rules say about a command, as long as everything that they rest on can be trusted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from accounts.domain.principal import AgentPrincipal
from approvals.domain.request import Wish
from approvals.domain.seal import Broken
from approvals.models import ApprovalPolicy
from approvals.selectors.integrity import QueueView, get_policy, get_queue
from approvals.selectors.rulesets import Ruleset, Unavailable, check_rules, get_ruleset, matching_settings
from approvals.selectors.subjects import to_subject
from approvals.services.violations import report_queue_violation, report_whitelist_violation
from approvals.whitelist.domain.model import Outcome, Verdict
from approvals.whitelist.domain.rules import evaluate


def take_view(organization_id: UUID, now: datetime) -> tuple[QueueView, ApprovalPolicy | Broken]:
    """Return the queue row and the policy, each proved; what is found tampered freezes the queue first."""
    queue = get_queue(organization_id)
    policy = get_policy(queue.row)
    fault = queue.broken or (policy if isinstance(policy, Broken) else None)
    if fault is None:
        return queue, policy
    report_queue_violation(organization_id=organization_id, reason=fault.reason, now=now)
    queue = get_queue(organization_id)
    return queue, get_policy(queue.row)


def try_rules(
    agent: AgentPrincipal, wish: Wish, queue: QueueView, policy: ApprovalPolicy | Broken, now: datetime
) -> tuple[Verdict, Ruleset | None]:
    """Return the verdict, with the rules that it is by. Whatever is in doubt goes to a human."""
    closed = queue.closed_reason or (policy.reason if isinstance(policy, Broken) else None)
    if closed is not None:
        return Verdict(Outcome.REVIEW, (closed,)), None
    ruleset = get_ruleset(queue.row)
    if isinstance(ruleset, Unavailable):
        return _for_a_human(agent, ruleset, now), None
    verdict = evaluate(to_subject(wish, agent.agent_id), ruleset.compiled, matching_settings(agent.organization), now)
    doubt = check_rules(agent.organization.id, ruleset, verdict.rules) if verdict.outcome == Outcome.ALLOW else None
    return (verdict if doubt is None else _for_a_human(agent, doubt, now)), ruleset


def _for_a_human(agent: AgentPrincipal, doubt: Unavailable, now: datetime) -> Verdict:
    if doubt.tampered:
        report_whitelist_violation(organization_id=agent.organization.id, reason=doubt.reason, now=now)
    return Verdict(Outcome.REVIEW, (doubt.reason,))
