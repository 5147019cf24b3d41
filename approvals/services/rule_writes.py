"""What goes into the same statement as a command that a rule approves: its guards and its counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.models import QueueState, RuleUse
from approvals.selectors.integrity import QueueView
from approvals.selectors.rulesets import Ruleset
from approvals.whitelist.domain.model import Verdict
from core import db


def queue_probe(queue: QueueView) -> db.Write:
    """Find the queue row as it was read, and hold it: a freeze comes before the grant or after it."""
    connection = transaction.get_connection()
    lock = " FOR SHARE" if connection.features.has_select_for_update else ""
    sql = f"SELECT 1 FROM {QueueState._meta.db_table} WHERE organization_id = %s AND version = %s{lock}"  # noqa: S608 - a constant
    return db.Write(sql, (db.adapt_uuid(queue.row.organization_id), queue.row.version), probe=True)


def use_writes(organization_id: UUID, verdict: Verdict, ruleset: Ruleset, now: datetime) -> list[db.Write]:
    """Count one use of each rule that approved; a limited rule only up to its limit."""
    table = RuleUse._meta.db_table
    writes = []
    # In one order everywhere, so that two lines with the same rules cannot block each other.
    for rule_id, taken in sorted(verdict.uses):
        limit = ruleset.rules[rule_id].max_uses
        sql = (
            f"INSERT INTO {table} (rule_id, organization_id, uses, last_used_at)"  # noqa: S608 - a constant
            " VALUES (%s, %s, %s, %s) ON CONFLICT (rule_id) DO UPDATE"
            f" SET uses = {table}.uses + excluded.uses, last_used_at = excluded.last_used_at"
        )
        params: list[Any] = [db.adapt_uuid(rule_id), db.adapt_uuid(organization_id), taken, now]
        if limit is not None:
            sql += f" WHERE {table}.uses + excluded.uses <= %s"
            params.append(limit)
        writes.append(db.Write(sql, tuple(params)))
    return writes
