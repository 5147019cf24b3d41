"""Reads, always of one organization."""

from approvals.selectors.commands import (
    count_pending,
    get_command,
    list_commands,
    list_pending,
)

__all__ = ["count_pending", "get_command", "list_commands", "list_pending"]
