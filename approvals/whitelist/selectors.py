"""Reads of the whitelist database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q

from approvals.whitelist.models import WhitelistRule


def list_documents(organization_id: UUID, version: int) -> list[dict[str, Any]]:
    """Return the documents of the rules that hold in one version of the whitelist.

    Raises:
        core.fields.DecryptionError: a document was altered.
    """
    rows = WhitelistRule.objects.filter(
        Q(version_retired=None) | Q(version_retired__gt=version),
        organization_id=organization_id,
        version_added__lte=version,
    )
    documents: Any = rows.values_list("document", flat=True)
    return list(documents)


def get_documents(organization_id: UUID, rule_ids: Iterable[str], version: int) -> dict[str, Any]:
    """Return the documents, as they are stored now, of those of the rules that hold."""
    rows = WhitelistRule.objects.filter(
        Q(version_retired=None) | Q(version_retired__gt=version),
        organization_id=organization_id,
        pk__in=list(rule_ids),
        version_added__lte=version,
    )
    return {str(pk): document for pk, document in rows.values_list("pk", "document")}
