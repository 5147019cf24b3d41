"""The rules in force, with how often each was used."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from approvals.models import RuleUse
from approvals.selectors.integrity import get_queue
from approvals.selectors.rulesets import Ruleset, Unavailable, get_ruleset
from approvals.whitelist.domain.model import Rule


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule and its count."""

    rule: Rule
    uses: int


def list_rules(organization_id: UUID) -> tuple[Ruleset, list[RuleInForce]] | Unavailable:
    """Return the proved ruleset and its rules, by pattern."""
    queue = get_queue(organization_id)
    if queue.broken is not None:
        return Unavailable(queue.broken.reason)
    ruleset = get_ruleset(queue.row)
    if isinstance(ruleset, Unavailable):
        return ruleset
    counts = dict(RuleUse.objects.filter(organization_id=organization_id).values_list("rule_id", "uses"))
    rules = sorted(ruleset.rules.values(), key=lambda rule: (rule.effect, rule.pattern))
    return ruleset, [RuleInForce(rule, counts.get(UUID(rule.id), 0)) for rule in rules]
