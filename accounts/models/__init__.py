"""People, organizations, agents and what they prove themselves with."""

from accounts.models.agent import Agent, ApiKey
from accounts.models.organization import Membership, Organization
from accounts.models.second_factor import BackupCode, TotpDevice
from accounts.models.user import User

__all__ = [
    "Agent",
    "ApiKey",
    "BackupCode",
    "Membership",
    "Organization",
    "TotpDevice",
    "User",
]
