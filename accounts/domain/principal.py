"""An agent that proved itself with an API key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from accounts.models import Organization


@dataclass(frozen=True, slots=True)
class AgentPrincipal:
    """What `request.auth` is on an agent's request. It never decides on a command."""

    agent_id: UUID
    agent_name: str
    key_id: UUID
    key_prefix: str
    key_expires_at: datetime | None
    organization: Organization
    owner_id: UUID
    created_by_id: UUID | None

    @property
    def actor(self) -> str:
        """Return the audit id."""
        return f"agent:{self.agent_id}"
