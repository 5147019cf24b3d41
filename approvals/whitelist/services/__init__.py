"""Writes to the whitelist database. Called between intent and applied, by approvals.services.rules."""

from approvals.whitelist.services.versions import add_rule, discard_after, retire_rule

__all__ = ["add_rule", "discard_after", "retire_rule"]
