"""What a rule would have let through: the last days' commands, matched again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import Organization
from approvals.domain.request import Wish
from approvals.models import CommandRequest
from approvals.selectors.rulesets import matching_settings
from approvals.selectors.subjects import to_subject
from approvals.whitelist.domain.model import Outcome, Rule
from approvals.whitelist.domain.rules import compile_rules, evaluate

WINDOW = timedelta(days=30)
MAX_EXAMINED = 2_000
MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Simulation:
    """`examined` commands, newest first, of which `matched` match; some of them in `commands`."""

    examined: int
    matched: int
    commands: tuple[CommandRequest, ...]


def simulate_rule(organization: Organization, rule: Rule, *, now: datetime) -> Simulation:
    """Match a rule, as if it alone held, against the last 30 days' commands (`MAX_EXAMINED`)."""
    rows = (
        CommandRequest.objects.filter(organization_id=organization.id, created_at__gte=now - WINDOW)
        .select_related("agent")
        .order_by("-created_at")[:MAX_EXAMINED]
    )
    compiled = compile_rules([rule])
    settings = matching_settings(organization)
    matched: list[CommandRequest] = []
    examined = 0
    for row in rows:
        examined += 1
        subject = to_subject(Wish.from_dict(row.wish), row.agent_id)
        if evaluate(subject, compiled, settings, now).outcome != Outcome.REVIEW:
            matched.append(row)
    return Simulation(examined, len(matched), tuple(matched[:MAX_SHOWN]))
