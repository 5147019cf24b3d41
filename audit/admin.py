"""The log in Django admin: read only. The timeline page shows more."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from accounts.admin_support import OrganizationModelAdmin, admin_access
from audit.models import AuditEvent
from audit.selectors import get_log


@admin.register(AuditEvent)
class AuditEventAdmin(OrganizationModelAdmin):
    """Records of the organization's own log."""

    organization_path = "log__organization_id"
    list_display = ("seq", "ts", "type", "obj", "actor")
    list_display_links = ("seq",)
    ordering = ("-seq",)
    list_per_page = 50
    fields = ("seq", "ts", "type", "obj", "actor", "raw")
    readonly_fields = fields
    actions = None

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the log's records without their payloads."""
        log = get_log(admin_access(request).organization_id)
        return super().get_queryset(request).filter(log_id=log.id).defer("payload")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        del request, obj
        return False
