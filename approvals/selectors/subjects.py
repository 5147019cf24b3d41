"""A wish as the matcher takes it."""

from __future__ import annotations

from typing import Any

from approvals.domain.request import Wish
from approvals.whitelist.domain.model import Form, Subject


def to_subject(wish: Wish, agent_id: Any) -> Subject:
    """Return the wish as the matcher's subject."""
    return Subject(
        agent_id=str(agent_id),
        form=Form.SHELL if wish.argv is None else Form.ARGV,
        argv=wish.argv,
        command=wish.command,
        shell=wish.shell,
        exe=wish.exe,
        cwd=wish.cwd,
        env=wish.env,
        user=wish.user,
        host=wish.host,
        stdin=wish.stdin,
    )
