"""Django admin inside one organization: own rows only, and every write through a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.domain.access import require_verified
from accounts.domain.roles import Ability
from core.problems import Problem

if TYPE_CHECKING:
    from accounts.domain.access import Access

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


def admin_access(request: HttpRequest) -> Access:
    """Return who administers, or raise the Problem that says why not."""
    return require_verified(getattr(request, "access", None), Ability.ADMINISTER)


class OrganizationModelAdmin(_ModelAdmin):
    """Base of every admin. A subclass implements `save_through_service`, and actions by `act`.

    `organization_path` leads from the model to its organization's id.
    """

    organization_path = "organization_id"
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the organization's rows: another's are 404, here too."""
        access = admin_access(request)
        rows = super().get_queryset(request)
        return rows.filter(**{self.organization_path: access.organization_id})

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> Any:
        """Call the one service that writes this change, and return the row that it wrote."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Write by the service alone; `obj` then stands for the row that it wrote."""
        row = self.save_through_service(request, obj, form, change=change)
        obj.pk = row.pk

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a service's refusal as a message on the form."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except Problem as problem:
            self.message_user(request, problem.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def act(self, request: HttpRequest, rows: models.QuerySet[Any], do: Callable[[Any, Access], object]) -> int:
        """Apply one service call to each selected row, all or none; return how many."""
        access = admin_access(request)
        try:
            with transaction.atomic():
                return len([do(row, access) for row in rows])
        except Problem as problem:
            self.message_user(request, problem.detail, messages.ERROR)
            return 0

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only what belongs to the organization."""
        access = admin_access(request)
        related = db_field.remote_field.model
        names = {field.name for field in related._meta.get_fields()}
        if "organization" in names:
            kwargs["queryset"] = related.objects.filter(organization_id=access.organization_id)
        elif "memberships" in names:
            kwargs["queryset"] = related.objects.filter(
                memberships__organization_id=access.organization_id, memberships__removed_at=None
            ).distinct()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _may_administer(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_administer(request) and self._is_own(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _may_administer(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_administer(request) and self._is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nothing is deleted, it is revoked, disabled, removed, retired."""
        del request, obj
        return False

    # The audit log records what changed, in its own transaction; admin's own log would name people
    # a second time, where nobody could erase them.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        del request, obj, message

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        del request, obj, message

    def _is_own(self, request: HttpRequest, obj: Any) -> bool:
        if obj is None:
            return True
        value = obj
        for name in self.organization_path.split("__"):
            value = getattr(value, name)
        return bool(value == admin_access(request).organization_id)


def _may_administer(request: HttpRequest) -> bool:
    try:
        admin_access(request)
    except Problem:
        return False
    return True
