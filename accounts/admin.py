"""Memberships, agents, keys and the organization's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts import services
from accounts.admin_support import OrganizationModelAdmin, admin_access
from accounts.models import Agent, ApiKey, Membership, Organization
from accounts.pages import login_steps
from accounts.selectors import find_user_by_email, summarize_key
from core.problems import FieldError, invalid

if TYPE_CHECKING:
    _MembershipModelForm = forms.ModelForm[Membership]
else:
    _MembershipModelForm = forms.ModelForm

# Groups and their permissions grant nothing here: roles do.
admin.site.unregister(Group)


class MembershipForm(_MembershipModelForm):
    """A person by address, who has an account, and their role."""

    email = forms.EmailField(required=False, help_text="Of an account that exists already.")

    class Meta:
        model = Membership
        fields = ("role",)


@admin.register(Membership)
class MembershipAdmin(OrganizationModelAdmin):
    """Let people in, change roles, remove."""

    form = MembershipForm
    list_display = ("user", "address", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user",)
    actions = ("remove",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the members; who was removed is in the audit log."""
        return super().get_queryset(request).filter(removed_at=None)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        del request
        return ("email", "role") if obj is None else ("user", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        del request
        return () if obj is None else ("user",)

    @admin.display(description="email")
    def address(self, obj: Membership) -> str:
        return obj.user.email or ""

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> Membership:
        access = admin_access(request)
        if change:
            return services.change_role(
                organization_id=access.organization_id,
                membership_id=obj.pk,
                role=form.cleaned_data["role"],
                actor=access.actor,
                actor_role=access.role,
                now=timezone.now(),
            )
        user = find_user_by_email(form.cleaned_data.get("email") or "")
        if user is None:
            raise invalid(FieldError("/email", "unknown", "There is no account with it."))
        obj.user = user
        return services.add_membership(
            organization_id=access.organization_id,
            user=user,
            role=form.cleaned_data["role"],
            actor=access.actor,
            actor_role=access.role,
            now=timezone.now(),
        )

    @admin.action(description="Remove from the organization")
    def remove(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        count = self.act(
            request,
            queryset,
            lambda row, access: services.remove_membership(
                organization_id=access.organization_id,
                membership_id=row.pk,
                actor=access.actor,
                actor_role=access.role,
                now=timezone.now(),
            ),
        )
        self.message_user(request, f"{count} removed. Their sessions here have ended.")


@admin.register(Agent)
class AgentAdmin(OrganizationModelAdmin):
    """Make agents, switch them off."""

    list_display = ("name", "owner", "created_at", "disabled_at")
    search_fields = ("name",)
    list_select_related = ("owner",)
    fields = ("name", "description", "owner")
    actions = ("disable",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for the list alone, where the actions are: an agent's name is in records."""
        return obj is None and super().has_change_permission(request, obj)

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> Agent:
        del obj, change
        access = admin_access(request)
        return services.create_agent(
            organization_id=access.organization_id,
            name=form.cleaned_data["name"],
            description=form.cleaned_data["description"],
            owner=form.cleaned_data["owner"],
            actor=access.actor,
            now=timezone.now(),
        )

    @admin.action(description="Switch off, with all keys, for good")
    def disable(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        count = self.act(
            request,
            queryset,
            lambda row, access: services.disable_agent(
                organization_id=access.organization_id,
                agent_id=row.pk,
                actor=access.actor,
                now=timezone.now(),
            ),
        )
        self.message_user(request, f"{count} switched off.")


@admin.register(ApiKey)
class ApiKeyAdmin(OrganizationModelAdmin):
    """Make keys, shown once; revoke them."""

    list_display = ("prefix", "agent", "name", "status", "created_at", "expires_at", "last_used_at")
    list_select_related = ("agent",)
    fields = ("agent", "name", "expires_at")
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for the list alone, where the actions are: a key never changes."""
        return obj is None and super().has_change_permission(request, obj)

    @admin.display
    def status(self, obj: ApiKey) -> str:
        return summarize_key(obj, timezone.now()).status

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> ApiKey:
        del change
        access = admin_access(request)
        created = services.create_api_key(
            organization_id=access.organization_id,
            agent_id=form.cleaned_data["agent"].pk,
            created_by_id=access.user_id,
            actor=access.actor,
            now=timezone.now(),
            name=form.cleaned_data["name"],
            expires_at=form.cleaned_data["expires_at"],
        )
        obj.shown_once = created
        return created.row

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Answer with the page that shows the key: not a message, which the session would keep."""
        del post_url_continue
        created: services.CreatedKey = obj.shown_once
        context = {
            "agent": created.row.agent,
            "key": summarize_key(created.row, timezone.now()),
            "key_plain": created.text,
            "login_steps": login_steps(),
        }
        response = render(request, "agents/key_created.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        count = self.act(
            request,
            queryset,
            lambda row, access: services.revoke_api_key(
                organization_id=access.organization_id,
                key_id=row.pk,
                actor=access.actor,
                now=timezone.now(),
            ),
        )
        self.message_user(request, f"{count} revoked.", messages.SUCCESS)


@admin.register(Organization)
class OrganizationAdmin(OrganizationModelAdmin):
    """The own organization: its name and caps."""

    organization_path = "id"
    list_display = ("name", "slug", "max_ttl_s", "allow_unbound_names")
    fields = ("name", "slug", "max_ttl_s", "trusted_directories", "allow_unbound_names")
    readonly_fields = ("slug",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: organizations are made by whoever runs the server."""
        del request
        return False

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> Organization:
        del obj, change
        access = admin_access(request)
        return services.change_organization(
            organization_id=access.organization_id,
            changes={name: form.cleaned_data[name] for name in form.changed_data},
            actor=access.actor,
            now=timezone.now(),
        )
