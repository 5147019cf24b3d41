"""Approve and whitelist: one step that decides on a command and writes the rule for the next."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.domain.roles import Ability
from accounts.models import Organization
from accounts.pages import PageRequest, page
from approvals.domain.request import Wish
from approvals.domain.tally import Verdict
from approvals.models import CommandRequest
from approvals.presentation import Viewer, present_command
from approvals.selectors.commands import get_command
from approvals.selectors.simulate import simulate_rule
from approvals.selectors.subjects import to_subject
from approvals.services.decide import decide_command
from approvals.services.locking import Refusal
from approvals.services.rules import RuleDraft, check_draft, create_rule
from approvals.whitelist.domain.model import Effect, RuleKind
from approvals.whitelist.domain.propose import Proposal, propose_rule
from approvals.whitelist.domain.words import quote_argv
from core.problems import Problem, not_found
from core.text import segments

EXPIRIES = {"": "Never", "1": "1 day", "7": "7 days", "30": "30 days", "90": "90 days"}
DEFAULT_EXPIRY = "30"
KINDS = {str(RuleKind.ARGV_GLOB): "Words with wildcards", str(RuleKind.EXACT): "Exactly this text"}
PREVIEW_REASON = "preview"


class RuleForm(forms.Form):
    """What the dialog sends."""

    pattern = forms.CharField(max_length=16_384, strip=False)
    kind = forms.ChoiceField(choices=list(KINDS.items()))
    scope = forms.ChoiceField(choices=[("agent", ""), ("any", "")])
    host = forms.CharField(max_length=255, required=False)
    expires = forms.ChoiceField(choices=list(EXPIRIES.items()), required=False)
    max_uses = forms.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    reason = forms.CharField(max_length=500)
    understood = forms.BooleanField(required=False)
    digest = forms.CharField(max_length=64)


@page(Ability.ADMINISTER)
@require_http_methods(["GET", "POST"])
def command_whitelist(request: PageRequest, command_id: UUID) -> HttpResponse:
    """Propose a rule, preview it, and take it together with the approval."""
    row = get_command(request.access.organization_id, command_id)
    if row is None:
        raise not_found()
    if request.method == "GET":
        template = "_whitelist_dialog" if "HX-Request" in request.headers else "whitelist"
        return render(request, f"approvals/{template}.html", _proposal_context(request, row))
    if request.POST.get("preview"):
        context = _preview(row, request.POST)
        return render(request, "approvals/_whitelist_preview.html", context)
    return _take(request, row)


def _take(request: PageRequest, row: CommandRequest) -> HttpResponse:
    form = RuleForm(request.POST)
    if form.is_valid():
        try:
            _approve_and_add(request, row, form)
        except Problem as problem:
            _put_errors(form, problem)
        else:
            return redirect("queue")
    context = _proposal_context(request, row, form)
    return render(request, "approvals/whitelist.html", context, status=422)


def _approve_and_add(request: PageRequest, row: CommandRequest, form: RuleForm) -> None:
    """Check the rule, decide, then write the rule: a decision that is refused leaves no rule."""
    now = timezone.now()
    draft = _draft(row, form.cleaned_data)
    _rule, warnings = check_draft(draft, now=now)
    if warnings and not form.cleaned_data["understood"]:
        raise Problem(409, "warnings_unconfirmed", "Confirm what the rule lets through.")
    outcome = decide_command(
        access=request.access,
        command_id=row.id,
        verdict=Verdict.APPROVE,
        digest=form.cleaned_data["digest"],
        reason=f"Approved and whitelisted: {draft.reason}",
        now=now,
    )
    if isinstance(outcome, Refusal):
        raise outcome.problem
    try:
        create_rule(access=request.access, draft=draft, accept_warnings=True, now=now)
    except Problem as problem:
        text = f"Approved, but the rule was not saved: {problem.detail}"
        messages.warning(request, text)
    else:
        messages.success(request, "Approved, and the rule is in force.")


def _put_errors(form: RuleForm, problem: Problem) -> None:
    for error in problem.errors:
        name = error.pointer.lstrip("/")
        form.add_error(name if name in form.fields else None, error.detail)
    if not problem.errors:
        form.add_error(None, problem.detail)


def _draft(row: CommandRequest, data: Any) -> RuleDraft:
    days = data.get("expires") or ""
    uses = data.get("max_uses")
    return RuleDraft(
        kind=data.get("kind") or "",
        effect=Effect.ALLOW,
        pattern=data.get("pattern") or "",
        reason=data.get("reason") or PREVIEW_REASON,
        agents=() if data.get("scope") == "any" else (str(row.agent_id),),
        hosts=(data["host"],) if data.get("host") else (),
        expires_at=timezone.now() + timedelta(days=int(days)) if days in EXPIRIES and days else None,
        max_uses=int(uses) if uses else None,
    )


def _proposal_context(request: HttpRequest, row: CommandRequest, form: RuleForm | None = None) -> dict[str, Any]:
    now = timezone.now()
    proposal = propose_rule(to_subject(Wish.from_dict(row.wish), row.agent_id))
    variants = _variants(proposal) if isinstance(proposal, Proposal) else []
    pattern = form.data.get("pattern", "") if form else (variants[0]["pattern"] if variants else "")
    kind = form.data.get("kind", "") if form else (variants[0]["kind"] if variants else "exact")
    chosen = {"pattern": pattern, "kind": kind, "scope": "agent", "host": row.wish["host"]}
    preview = _preview(row, form.data if form else chosen)
    if not variants and not isinstance(proposal, Proposal):
        preview = {"pattern_error": f"No rule can cover this command: {proposal.why}"}
    viewer = Viewer(request.access, now)  # type: ignore[attr-defined]
    return {
        "command": present_command(row, viewer, history=False),
        "variants": variants,
        "pattern": pattern,
        "kind": kind,
        "kind_options": [{"value": key, "label": label} for key, label in KINDS.items()],
        "expires": form.data.get("expires", "") if form else DEFAULT_EXPIRY,
        "expiry_options": [{"value": key, "label": label} for key, label in EXPIRIES.items()],
        "form": form,
        "server_time": now,
        **preview,
    }


def _variants(proposal: Proposal) -> list[dict[str, Any]]:
    first = {
        "kind": str(proposal.kind),
        "pattern": proposal.pattern,
        "label": proposal.why,
        "selected": True,
    }
    wider = [
        {"kind": str(RuleKind.ARGV_GLOB), "pattern": item.pattern, "label": item.why, "selected": False}
        for item in proposal.wider
    ]
    return [first, *wider]


def _preview(row: CommandRequest, data: Any) -> dict[str, Any]:
    """Return what the rule would have let through, or what is wrong with it."""
    now = timezone.now()
    try:
        rule, warnings = check_draft(_draft(row, data), now=now)
    except (Problem, ValueError) as error:
        return {"pattern_error": getattr(error, "detail", "Uses at most: a whole number.")}
    organization = Organization.objects.get(pk=row.organization_id)
    found = simulate_rule(organization, rule, now=now)
    lines = Counter(_line(match.wish) for match in found.commands if match.pk != row.pk)
    return {
        "would_match": [{"segments": segments(line), "count": count} for line, count in lines.most_common(10)],
        "would_match_total": found.matched - any(match.pk == row.pk for match in found.commands),
        "warnings": [{"text": item.message, "example": quote_argv(item.example)} for item in warnings],
        "acknowledged": bool(data.get("understood")),
        "pattern_error": "",
    }


def _line(wish: dict[str, Any]) -> str:
    return quote_argv(tuple(wish["argv"])) if wish.get("argv") else wish["command"]
