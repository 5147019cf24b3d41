"""Policies and the whitelist are kept here; commands and decisions are only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponseRedirect
from django.utils import timezone

from accounts.admin_support import OrganizationModelAdmin, admin_access
from accounts.models import Agent
from approvals.models import ApprovalPolicy, CommandRequest, Decision, QueueState
from approvals.selectors.integrity import get_queue
from approvals.services.freeze import freeze_queue, unfreeze_queue
from approvals.services.policies import PolicyChange, change_policy
from approvals.services.rules import RuleDraft, create_rule, retire_rule
from approvals.whitelist.models import WhitelistRule
from core.problems import Problem
from core.text import visible

if TYPE_CHECKING:
    _RuleModelForm = forms.ModelForm[WhitelistRule]
else:
    _RuleModelForm = forms.ModelForm

KINDS = (("argv_glob", "Words with wildcards"), ("exact", "Exactly this text"))
SHOWN = ("pattern", "effect", "kind", "reason", "scope", "examples", "created_at", "version_added")
EFFECTS = (("allow", "Allow without a human"), ("deny", "Deny at once"))


class ReadOnlyAdmin(OrganizationModelAdmin):
    """Looks, and changes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        del request, obj
        return False


@admin.register(CommandRequest)
class CommandRequestAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "agent", "line", "state", "decided_by", "expires_at")
    list_filter = ("state", "decided_by")
    list_select_related = ("agent",)
    date_hierarchy = None
    ordering = ("-created_at", "-id")
    list_per_page = 50
    fields = (
        "id", "agent", "line", "place", "reason_text", "state", "decided_by", "digest", "policy",
        "created_at", "expires_at", "decide_by", "decided_at", "released_at", "finished_at",
        "exit_code", "version",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="command")
    def line(self, obj: CommandRequest) -> str:
        """Return what runs, hidden characters visible."""
        argv = obj.wish.get("argv")
        return visible(obj.wish["command"] if argv is None else " ".join(map(repr, argv)))

    @admin.display(description="where")
    def place(self, obj: CommandRequest) -> str:
        """Return user, host and directory."""
        return visible(f"{obj.wish['user']}@{obj.wish['host']}:{obj.wish['cwd']}")

    @admin.display(description="reason")
    def reason_text(self, obj: CommandRequest) -> str:
        """Return the agent's reason."""
        return visible(obj.reason)


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "verdict", "command", "reason_text")
    list_filter = ("verdict",)
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("created_at", "user", "verdict", "command", "digest", "second_factor", "reason_text")
    readonly_fields = fields

    @admin.display(description="reason")
    def reason_text(self, obj: Decision) -> str:
        """Return the reviewer's reason."""
        return visible(obj.reason)


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(OrganizationModelAdmin):
    list_display = ("name", "required_approvals", "deny_threshold", "separation_of_duties", "version")
    fields = (
        "name", "required_approvals", "deny_threshold", "separation_of_duties", "require_reason",
        "decide_within_s",
    )  # fmt: skip
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: an organization has its one default policy until the policy engine joins."""
        del request
        return False

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> ApprovalPolicy:
        """Replace the policy's content."""
        del change
        content = PolicyChange(**{name: form.cleaned_data[name] for name in PolicyChange.__slots__})
        return change_policy(access=admin_access(request), policy_id=obj.pk, change=content, now=timezone.now())


@admin.register(QueueState)
class QueueStateAdmin(ReadOnlyAdmin):
    list_display = ("organization", "frozen_at", "frozen_reason", "whitelist_version", "trusted")
    fields = ("organization", "frozen_at", "frozen_reason", "whitelist_version", "whitelist_root", "trusted")
    readonly_fields = fields
    actions = ("freeze", "unfreeze")

    @admin.display(description="agrees with the audit log", boolean=True)
    def trusted(self, obj: QueueState) -> bool:
        """Tell whether the row is the one that the log ends with."""
        return get_queue(obj.organization_id).broken is None

    @admin.action(description="Freeze: release nothing, approve nothing by rule")
    def freeze(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Stop everything."""
        reason = f"frozen by {admin_access(request).email}"
        if self.act(
            request, queryset, lambda _row, access: freeze_queue(access=access, reason=reason, now=timezone.now())
        ):
            self.message_user(request, "Frozen. Nothing is released until somebody unfreezes it.", messages.WARNING)

    @admin.action(description="Unfreeze, after a look at what happened")
    def unfreeze(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Go on."""
        reason = f"unfrozen by {admin_access(request).email}"
        if self.act(
            request, queryset, lambda _row, access: unfreeze_queue(access=access, reason=reason, now=timezone.now())
        ):
            self.message_user(request, "The queue goes on.")


class RuleForm(_RuleModelForm):
    """A rule as a person writes it. One example a line."""

    kind = forms.ChoiceField(choices=KINDS)
    effect = forms.ChoiceField(choices=EFFECTS)
    pattern = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        strip=False,
        help_text="* is one argument that is no option, -* one option, ** any number of both.",
    )
    reason = forms.CharField(max_length=500, help_text="For whoever reads it in a year.")
    agent = forms.ModelChoiceField(Agent.objects.none(), required=False, help_text="Empty: any agent.")
    host = forms.CharField(max_length=255, required=False, help_text="Empty: any host.")
    user = forms.CharField(max_length=255, required=False, help_text="Empty: any user.")
    cwd = forms.CharField(
        max_length=4096, required=False, help_text="A directory; /srv/** is it and all below. Empty: any."
    )
    expires_at = forms.DateTimeField(required=False, help_text="UTC, like 2026-12-31 18:00. Empty: never.")
    max_uses = forms.IntegerField(min_value=1, required=False, help_text="Empty: no limit.")
    should_match = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), required=False)
    should_not_match = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), required=False)
    accept_warnings = forms.BooleanField(required=False, label="I know what this lets through")

    class Meta:
        model = WhitelistRule
        fields = ()

    def draft(self) -> RuleDraft:
        """Return the rule."""
        data = self.cleaned_data
        return RuleDraft(
            kind=data["kind"],
            effect=data["effect"],
            pattern=data["pattern"],
            reason=data["reason"],
            agents=(str(data["agent"].pk),) if data["agent"] else (),
            hosts=(data["host"],) if data["host"] else (),
            users=(data["user"],) if data["user"] else (),
            cwds=(data["cwd"],) if data["cwd"] else (),
            expires_at=data["expires_at"],
            max_uses=data["max_uses"],
            should_match=tuple(data["should_match"].splitlines()),
            should_not_match=tuple(data["should_not_match"].splitlines()),
        )


@admin.register(WhitelistRule)
class WhitelistRuleAdmin(OrganizationModelAdmin):
    """A rule is added or retired, never edited: what a rule once let through stays readable."""

    form = RuleForm
    list_display = ("pattern", "effect", "kind", "reason", "scope", "created_at", "version_added")
    ordering = ("-version_added",)
    actions = ("retire",)
    fieldsets = (
        (None, {"fields": ("kind", "effect", "pattern", "reason", "accept_warnings")}),
        ("Only for", {"fields": ("agent", "host", "user", "cwd")}),
        ("Only until", {"fields": ("expires_at", "max_uses")}),
        ("Examples, one a line, checked when it is saved", {"fields": ("should_match", "should_not_match")}),
    )

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show and take the form without Django's transaction: the service has its own two.

        A rollback around them would take the rule back and leave the log saying that it was applied.
        """
        try:
            return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]
        except Problem as problem:
            self.message_user(request, problem.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the rules in force."""
        return super().get_queryset(request).filter(version_retired=None)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Offer the organization's own agents."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        agents = Agent.objects.filter(organization_id=admin_access(request).organization_id)
        form.base_fields["agent"].queryset = agents
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for the list alone, whose actions need it."""
        return obj is None and super().has_change_permission(request)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show a rule's document where the form is not for writing."""
        return super().get_fieldsets(request, obj) if obj is None else ((None, {"fields": SHOWN}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the shown members of an existing rule."""
        del request
        return () if obj is None else SHOWN

    def save_through_service(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> Any:
        """Add the rule through intent and applied."""
        del change
        rule = create_rule(
            access=admin_access(request),
            draft=form.draft(),
            accept_warnings=form.cleaned_data["accept_warnings"],
            now=timezone.now(),
        )
        obj.pk = rule.id
        return obj

    @admin.action(description="Retire: the rule ends now")
    def retire(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """End the selected rules."""
        # One by one and outside any transaction: each is a change of two databases.
        retired = 0
        for row in list(queryset):
            try:
                retire_rule(access=admin_access(request), rule_id=row.pk, now=timezone.now())
                retired += 1
            except Problem as problem:
                self.message_user(request, problem.detail, messages.ERROR)
        if retired:
            self.message_user(request, f"{retired} retired.")

    @admin.display(description="pattern")
    def pattern(self, obj: WhitelistRule) -> str:
        """Return the pattern, hidden characters visible."""
        return visible(obj.document["pattern"])

    @admin.display(description="effect")
    def effect(self, obj: WhitelistRule) -> str:
        """Return allow or deny."""
        return str(obj.document["effect"])

    @admin.display(description="kind")
    def kind(self, obj: WhitelistRule) -> str:
        """Return how the pattern is read."""
        return str(dict(KINDS).get(obj.document["kind"], obj.document["kind"]))

    @admin.display(description="reason")
    def reason(self, obj: WhitelistRule) -> str:
        """Return why it is there."""
        return visible(obj.document["reason"])

    @admin.display(description="only for")
    def scope(self, obj: WhitelistRule) -> str:
        """Return the scope in words."""
        parts = [f"{name}: {', '.join(items)}" for name, items in obj.document["scope"].items() if items]
        limits = (name for name in ("expires_at", "max_uses") if obj.document[name])
        parts += [f"{name}: {obj.document[name]}" for name in limits]
        return visible("; ".join(parts)) or "everything"

    @admin.display(description="examples")
    def examples(self, obj: WhitelistRule) -> str:
        """Return the examples."""
        wanted = obj.document["should_match"]
        unwanted = obj.document["should_not_match"]
        return visible(f"matches: {', '.join(wanted) or 'none'}; does not match: {', '.join(unwanted) or 'none'}")
