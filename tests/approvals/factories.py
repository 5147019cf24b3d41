"""Commands, rules and votes, as agents and people make them.

The digest is computed here from docs/formats.md, not by the server's function: what a wrong server
and a test that asked it would agree on, a client would not.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from accounts.domain.access import Access
from accounts.domain.principal import AgentPrincipal
from accounts.models import Agent, ApiKey, Membership
from accounts.services import add_membership, create_agent, create_api_key, create_user
from approvals.api.bodies import body_limits
from approvals.domain.parse import parse_submission
from approvals.domain.tally import Verdict
from approvals.models import ApprovalPolicy, CommandRequest, QueueState
from approvals.services.decide import decide_command
from approvals.services.policies import PolicyChange, change_policy
from approvals.services.release import release_command
from approvals.services.rules import RuleDraft, create_rule
from approvals.services.submit import Submitted, submit_command
from expacti.handlers import _api_middleware
from tests.accounts.cast import ACTOR, PASSWORD, Cast, enrol

COMMANDS = "/api/v1/commands/"
ACTIONS = ("argv", "command")
NONCE = "0123456789abcdef0123456789abcdef"
OTHER_NONCE = "f" * 32


def independent_digest(bound: Mapping[str, Any]) -> str:
    """Return the digest of docs/formats.md, section 1."""
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"expacti/command/1\n" + text.encode()).hexdigest()


def write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_body(agent: Agent, *argv: str, command: str | None = None, ttl: float = 300, **changes: Any) -> dict[str, Any]:
    """Return a valid submission; `changes` replace members before the digest, `digest` after it."""
    line: dict[str, Any] = {"command": command} if command is not None else {"argv": list(argv or ("ls",))}
    now = changes.pop("now", None) or timezone.now()
    name = "bash" if command is not None else line["argv"][0]
    bound = {
        "v": 1,
        "organization": str(agent.organization_id),
        "agent": str(agent.id),
        "id": str(uuid.uuid4()),
        "nonce": secrets.token_hex(16),
        **line,
        "shell": None if command is None else "/bin/bash",
        "exe": "/bin/bash" if command is not None else (name if name.startswith("/") else f"/usr/bin/{name}"),
        "cwd": "/srv",
        "env": {},
        "user": "app",
        "host": "web1",
        "stdin": "none",
        "expires_at": write_time(now + timedelta(seconds=ttl)),
    }
    extra = {name: changes.pop(name) for name in ("reason", "context", "release_nonce") if name in changes}
    digest = changes.pop("digest", None)
    bound.update(changes)
    own = {name: value for name, value in bound.items() if name not in {"v", "organization", "agent"}}
    return {**own, "digest": digest or independent_digest(bound), **extra}


class _LeanHandler(ClientHandler):
    def load_middleware(self, is_async: bool = False) -> None:
        with _api_middleware():
            super().load_middleware(is_async)


class AgentClient(Client):
    """HTTP as an agent's client speaks it, through the short middleware stack that it meets."""

    def __init__(self, key: str) -> None:
        super().__init__(headers={"Authorization": f"Bearer {key}"})
        self.handler = _LeanHandler(enforce_csrf_checks=True)

    def send(self, path: str, body: Any = None) -> Any:
        return self.post(path, json.dumps(body or {}), content_type="application/json")

    def submit(self, body: Mapping[str, Any]) -> Any:
        return self.send(COMMANDS, body)

    def act(self, command_id: Any, action: str, body: Any = None) -> Any:
        return self.send(f"{COMMANDS}{command_id}/{action}/", body)

    def release(self, body: Mapping[str, Any], nonce: str = NONCE) -> Any:
        return self.act(body["id"], "release", {"release_nonce": nonce, "digest": body["digest"]})


RESULT = {"exit_code": 0, "signal": None, "duration_ms": 12, "output_sha256": None}


def decide_by_api(client: Client, body: Mapping[str, Any], verdict: str = "approve", **members: Any) -> Any:
    decision = {"verdict": verdict, "digest": body["digest"], "reason": "looked at it", **members}
    path = f"{COMMANDS}{body['id']}/decisions/"
    return client.post(path, json.dumps(decision), content_type="application/json")


def principal(agent: Agent, key: ApiKey) -> AgentPrincipal:
    """Return what a request with the key is authenticated as."""
    return AgentPrincipal(
        agent_id=agent.id,
        agent_name=agent.name,
        key_id=key.id,
        key_prefix=key.prefix,
        key_expires_at=key.expires_at,
        organization=agent.organization,
        owner_id=agent.owner_id,
        created_by_id=key.created_by_id,
    )


def bot(cast: Cast) -> AgentPrincipal:
    """Return the first organization's agent; alice owns it."""
    return principal(cast.agent, cast.key)


def another_agent(cast: Cast, name: str = "second-bot") -> tuple[AgentPrincipal, str]:
    """Make another agent of the first organization, dave's; return it with its key."""
    now = timezone.now() - timedelta(hours=1)
    agent = create_agent(organization_id=cast.first.id, name=name, owner=cast.people["dave"], actor=ACTOR, now=now)
    made = create_api_key(
        organization_id=cast.first.id,
        agent_id=agent.id,
        created_by_id=cast.people["dave"].id,
        actor=ACTOR,
        now=now,
    )
    return principal(agent, made.row), made.text


def access(cast: Cast, name: str, *, verified: bool = True) -> Access:
    """Return what somebody's session is worth."""
    membership = Membership.objects.select_related("user", "organization").get(
        organization=cast.organization_of(name), user=cast.people[name]
    )
    return Access(
        user_id=membership.user_id,
        organization_id=membership.organization_id,
        membership_id=membership.id,
        role=membership.role,
        verified=verified,
        second_factor="totp" if verified else None,
        email=membership.user.email or "",
        name=membership.user.name,
        organization_name=membership.organization.name,
    )


def another_reviewer(cast: Cast, name: str, role: str = "reviewer") -> Access:
    """Add a reviewer with an authenticator app to the first organization."""
    now = timezone.now() - timedelta(hours=1)
    user = create_user(email=f"{name}@example.org", password=PASSWORD, name=name.title(), actor=ACTOR, now=now)
    add_membership(organization_id=cast.first.id, user=user, role=role, actor=ACTOR, actor_role="owner", now=now)
    cast.people[name] = user
    cast.seeds[name] = enrol(user)
    return access(cast, name)


def submit(
    cast: Cast, *argv: str, agent: AgentPrincipal | None = None, now: datetime | None = None, **changes: Any
) -> CommandRequest:
    """Submit by the service; return the row as stored."""
    return submit_full(cast, *argv, agent=agent, now=now, **changes).row


def submit_full(
    cast: Cast, *argv: str, agent: AgentPrincipal | None = None, now: datetime | None = None, **changes: Any
) -> Submitted:
    now = now or timezone.now()
    who = agent or bot(cast)
    body = changes.pop("body", None) or make_body(
        Agent(id=who.agent_id, organization_id=who.organization.id), *argv, now=now, **changes
    )
    return submit_command(agent=who, submission=parse_submission(body, body_limits()), now=now)


def vote(cast: Cast, row: CommandRequest, who: str | Access, verdict: str = "approve", **members: Any) -> Any:
    """Vote by the service; return its outcome."""
    return decide_command(
        access=access(cast, who) if isinstance(who, str) else who,
        command_id=row.id,
        verdict=Verdict(verdict),
        digest=members.get("digest", row.digest),
        reason=members.get("reason", "looked at it"),
        now=members.get("now") or timezone.now(),
    )


def release(cast: Cast, row: CommandRequest, nonce: str = NONCE, **members: Any) -> Any:
    """Release by the service; return its outcome."""
    return release_command(
        agent=members.get("agent") or bot(cast),
        command_id=row.id,
        release_nonce=nonce,
        digest=members.get("digest", row.digest),
        now=members.get("now") or timezone.now(),
    )


def set_policy(cast: Cast, **members: Any) -> ApprovalPolicy:
    """Change the first organization's policy, as an owner does."""
    policy = ApprovalPolicy.objects.get(organization=cast.first)
    before = {name: getattr(policy, name) for name in PolicyChange.__slots__}
    change = PolicyChange(**{**before, **members})
    return change_policy(access=access(cast, "alice"), policy_id=policy.id, change=change, now=timezone.now())


def allow(cast: Cast, pattern: str, *, effect: str = "allow", kind: str = "argv_glob", **members: Any) -> Any:
    """Write a rule, as an owner does."""
    draft = RuleDraft(kind=kind, effect=effect, pattern=pattern, reason="for the test", **members)
    return create_rule(access=access(cast, "alice"), draft=draft, accept_warnings=True, now=timezone.now())


def queue_of(cast: Cast) -> QueueState:
    return QueueState.objects.get(organization=cast.first)


def fresh(row: CommandRequest) -> CommandRequest:
    """Return the row as it is stored now."""
    return CommandRequest.objects.get(pk=row.pk)
