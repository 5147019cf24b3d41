"""Reads of policies."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from approvals.models import ApprovalPolicy


def list_policies(organization_id: UUID) -> QuerySet[ApprovalPolicy]:
    """Return the organization's policies in their order."""
    return ApprovalPolicy.objects.filter(organization_id=organization_id).order_by("position")
