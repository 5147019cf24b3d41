"""The policy that a command was submitted under, frozen with it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from core import canonical

HASH_PREFIX = b"expacti/policy/1\n"
SEPARATION_FROM = 2


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """What decides one command. Its hash is in every record and decision about it.

    `deny_threshold` denials end it. `separation_of_duties` excludes the agent's owner from voting.
    """

    policy_id: str
    version: int
    required_approvals: int
    deny_threshold: int
    separation_of_duties: bool
    require_reason: bool

    @property
    def hash(self) -> str:
        """Return the hex SHA-256 of the snapshot's canonical form."""
        return hashlib.sha256(HASH_PREFIX + canonical.dumps(asdict(self))).hexdigest()


def separation_default(required_approvals: int) -> bool:
    """Return whether an agent's owner is excluded where the policy does not say.

    One approval: a developer minding their own agent may decide. From two up: they may not.
    """
    return required_approvals >= SEPARATION_FROM
