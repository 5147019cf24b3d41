"""Count votes. Pure: the same votes and policy give the same outcome, in any order, for ever."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from approvals.domain.policy import PolicySnapshot


class Verdict(StrEnum):
    APPROVE = "approve"
    DENY = "deny"


class Outcome(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's verdict. `person` is the user's id: people count, not devices or groups.

    `eligible` is what holds now, at the count: role, second factor, still a member.
    """

    person: str
    verdict: Verdict
    digest: str
    eligible: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """The count: distinct eligible people on each side, and what it means."""

    outcome: Outcome
    approvers: tuple[str, ...]
    deniers: tuple[str, ...]
    void: tuple[str, ...]


def tally(votes: Iterable[Vote], policy: PolicySnapshot, *, digest: str) -> Tally:
    """Return the outcome of the votes on one digest.

    A vote of somebody who is no longer eligible, or on another digest, is void. The first valid
    vote of a person counts, later ones are void. A denial wins over any number of approvals.
    """
    approvers: dict[str, None] = {}
    deniers: dict[str, None] = {}
    void: list[str] = []
    for vote in votes:
        seen = vote.person in approvers or vote.person in deniers
        if seen or not vote.eligible or vote.digest != digest:
            void.append(vote.person)
        elif vote.verdict == Verdict.APPROVE:
            approvers[vote.person] = None
        else:
            deniers[vote.person] = None
    outcome = Outcome.PENDING
    if len(deniers) >= max(1, policy.deny_threshold):
        outcome = Outcome.DENIED
    elif len(approvers) >= max(1, policy.required_approvals):
        outcome = Outcome.APPROVED
    return Tally(outcome, tuple(approvers), tuple(deniers), tuple(void))
