"""Commands, decisions, policies, and the small rows that hold the queue together."""

from approvals.models.command import CommandRequest, CommandWord
from approvals.models.decision import Decision
from approvals.models.grant_key import GrantKeyGeneration
from approvals.models.policy import ApprovalPolicy
from approvals.models.queue import QueueState, RuleUse

__all__ = [
    "ApprovalPolicy",
    "CommandRequest",
    "CommandWord",
    "Decision",
    "GrantKeyGeneration",
    "QueueState",
    "RuleUse",
]
