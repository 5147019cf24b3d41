"""The whitelist's rules, in a database of their own."""

from approvals.whitelist.models.rule import WhitelistRule

__all__ = ["WhitelistRule"]
