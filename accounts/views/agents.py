"""Agents and their keys."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.domain.access import Access
from accounts.domain.roles import Ability, Role
from accounts.forms import AgentForm, KeyForm, add_problem
from accounts.models import Agent, User
from accounts.pages import PageRequest, login_steps, page
from accounts.selectors import get_agent, get_key, list_agents, list_keys, summarize_key
from core.problems import Problem, not_found


@page(ability=Ability.VIEW_QUEUE)
@require_safe
def agents(request: PageRequest) -> HttpResponse:
    """List the organization's agents; for a member, their own."""
    access = request.access
    rows = list_agents(access.organization_id, now=timezone.now(), owner_id=_only_own(access))
    return render(request, "agents/list.html", {"agents": rows})


@page(ability=Ability.VIEW_QUEUE)
@require_safe
def agent_detail(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """One agent and its keys."""
    access = request.access
    agent = get_agent(access.organization_id, agent_id, owner_id=_only_own(access))
    return _detail_page(request, agent, KeyForm())


@page(ability=Ability.ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def agent_create(request: PageRequest) -> HttpResponse:
    """Make an agent. Whoever makes it answers for it."""
    access = request.access
    form = AgentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            agent = services.create_agent(
                organization_id=access.organization_id,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                owner=User.objects.get(pk=access.user_id),
                actor=access.actor,
                now=timezone.now(),
            )
        except Problem as problem:
            add_problem(form, problem)
        else:
            return redirect("agent-detail", agent.id)
    status = 422 if request.method == "POST" else 200
    return render(request, "agents/form.html", {"form": form}, status=status)


@page(ability=Ability.ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def key_create(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Make a key and show it, this once."""
    access, now = request.access, timezone.now()
    agent = get_agent(access.organization_id, agent_id)
    if request.method != "POST":
        return redirect("agent-detail", agent.id)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _detail_page(request, agent, form, status=422)
    days = form.cleaned_data["expires"]
    created = services.create_api_key(
        organization_id=access.organization_id,
        agent_id=agent.id,
        created_by_id=access.user_id,
        actor=access.actor,
        now=now,
        name=form.cleaned_data["name"],
        expires_at=now + timedelta(days=int(days)) if days else None,
    )
    context = {
        "agent": agent,
        "key_plain": created.text,
        "key": summarize_key(created.row, now),
        "login_steps": login_steps(),
    }
    return render(request, "agents/key_created.html", context)


@page(ability=Ability.ADMINISTER)
@require_http_methods(["POST"])
def key_revoke(request: PageRequest, agent_id: UUID, key_id: UUID) -> HttpResponse:
    """Revoke a key."""
    access = request.access
    key = get_key(access.organization_id, key_id)
    if key.agent_id != agent_id:
        raise not_found()
    services.revoke_api_key(
        organization_id=access.organization_id,
        key_id=key.id,
        actor=access.actor,
        now=timezone.now(),
    )
    messages.success(request, f"The key {key.prefix}… is revoked.")
    return redirect("agent-detail", agent_id)


def _only_own(access: Access) -> UUID | None:
    return access.user_id if access.role == Role.MEMBER else None


def _detail_page(request: PageRequest, agent: Agent, form: KeyForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    rows = list_keys(request.access.organization_id, agent_id=agent.id)
    context = {
        "agent": _AgentView(agent),
        "keys": [summarize_key(key, now) for key in rows],
        "form": form,
    }
    return render(request, "agents/detail.html", context, status=status)


class _AgentView:
    """An agent as its page shows it."""

    def __init__(self, agent: Agent) -> None:
        self.id = agent.id
        self.name = agent.name
        self.description = agent.description
        self.owner = str(agent.owner)
        self.is_active = agent.disabled_at is None
