"""REST edges of commands: authenticate, parse, call one service, render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import ApiKeyAuthentication, SessionAuthentication
from accounts.api.permissions import AgentOnly, PersonWith
from accounts.api.requests import access_of, agent_of, body_of
from accounts.domain.access import Access, require_verified
from accounts.domain.principal import AgentPrincipal
from accounts.domain.roles import Ability
from accounts.models import Agent
from approvals.api import schemas
from approvals.api.bodies import (
    Body,
    body_limits,
    parse_decision,
    parse_filter,
    parse_release,
    parse_result,
)
from approvals.api.representation import represent_command
from approvals.domain.parse import parse_submission
from approvals.domain.states import State
from approvals.models import CommandRequest
from approvals.selectors.commands import effective_state, get_command, list_commands
from approvals.services.decide import decide_command
from approvals.services.locking import Refusal
from approvals.services.release import (
    Released,
    StillPending,
    cancel_command,
    release_command,
    report_result,
)
from approvals.services.submit import submit_command
from core import pagination
from core.problems import FieldError, Problem, invalid, not_found

WAIT = OpenApiParameter("wait", int, description="Seconds to wait for a decision, 0 to 30.")
# Set on an answer that the long-poll route holds back; see expacti.longpoll.
HOLD_HEADER = "X-Expacti-Hold"


class AgentOrViewer:
    """An agent sees its own commands, a verified person with the queue's ability all."""

    def has_permission(self, request: Request, _view: APIView) -> bool:
        if isinstance(request.auth, AgentPrincipal):
            return True
        access = request.auth if isinstance(request.auth, Access) else None
        require_verified(access, Ability.VIEW_QUEUE)
        return True


class _Commands(APIView):
    authentication_classes = (ApiKeyAuthentication, SessionAuthentication)


class CommandCollection(_Commands):
    """Submit and list."""

    def get_permissions(self) -> list[Any]:
        if self.request.method == "POST":
            return [AgentOnly()]
        return [AgentOrViewer()]

    @extend_schema(request=schemas.Submission, responses={201: schemas.Command, 200: schemas.Command})
    def post(self, request: Request) -> Response:
        """Submit a command. A rule may approve it at once."""
        submission = parse_submission(body_of(request), body_limits())
        agent, now = agent_of(request), timezone.now()
        submitted = submit_command(agent=agent, submission=submission, now=now)
        submitted.row.agent = Agent(id=agent.agent_id, name=agent.agent_name)
        body = represent_command(submitted.row, now=now)
        if submitted.grant:
            body["grant"] = submitted.grant
        return Response(body, status=200 if submitted.repeated else 201)

    @extend_schema(
        operation_id="commands_list",
        parameters=[OpenApiParameter(name) for name in ("state", "agent", "q", "since", "until", "cursor", "limit")],
        responses=schemas.CommandPage,
    )
    def get(self, request: Request) -> Response:
        """List commands, newest first. An agent sees its own."""
        wanted = parse_filter(request.query_params)
        organization_id = _organization_id(request)
        rows = list_commands(organization_id, wanted, owner_id=_owner_id(request))
        if isinstance(request.auth, AgentPrincipal):
            rows = rows.filter(agent_id=request.auth.agent_id)
        page, cursor = pagination.newest_page(
            rows.prefetch_related("decisions"),
            scope=f"commands/{_caller(request).actor}/{organization_id}",
            cursor=request.query_params.get("cursor"),
            limit=pagination.parse_limit(request.query_params.get("limit")),
        )
        now = timezone.now()
        return Response({"results": [represent_command(row, now=now) for row in page], "next": cursor})


class CommandItem(_Commands):
    """Read one, with long poll."""

    def get_permissions(self) -> list[Any]:
        return [AgentOrViewer()]

    @extend_schema(parameters=[WAIT], responses=schemas.Command)
    def get(self, request: Request, command_id: UUID) -> Response:
        """Read a command; with `wait`, once it is no longer pending or the wait ends."""
        _check_wait(request)
        row = get_command(_organization_id(request), command_id, owner_id=_owner_id(request))
        if row is None or not _visible(request, row):
            raise not_found()
        now = timezone.now()
        response = Response(represent_command(row, now=now))
        if effective_state(row, now) == State.PENDING:
            response[HOLD_HEADER] = "1"
        return response


class _AgentAction(_Commands):
    permission_classes = (AgentOnly,)


class CommandRelease(_AgentAction):
    """Take the grant."""

    @extend_schema(parameters=[WAIT], request=schemas.Release, responses={200: schemas.Grant, 202: schemas.Command})
    def post(self, request: Request, command_id: UUID) -> Response:
        """Take the one grant of an approved command; waits for the decision with `wait`."""
        _check_wait(request)
        release_nonce, digest = parse_release(body_of(request))
        now = timezone.now()
        outcome = release_command(
            agent=agent_of(request),
            command_id=command_id,
            release_nonce=release_nonce,
            digest=digest,
            now=now,
        )
        if isinstance(outcome, Refusal):
            raise outcome.problem
        body = represent_command(outcome.row, now=now)
        if isinstance(outcome, StillPending):
            headers = {"Retry-After": "1", HOLD_HEADER: "1"}
            return Response(body, status=202, headers=headers)
        assert isinstance(outcome, Released)
        return Response({"grant": outcome.row.grant, "command": body})


class CommandResult(_AgentAction):
    """Report how it ended."""

    @extend_schema(request=schemas.Result, responses=schemas.Command)
    def post(self, request: Request, command_id: UUID) -> Response:
        """Report exit code, duration and output digest of a released command."""
        now = timezone.now()
        result = parse_result(body_of(request))
        outcome = report_result(agent=agent_of(request), command_id=command_id, result=result, now=now)
        return _row_or_refusal(outcome, now)


class CommandCancel(_AgentAction):
    """Withdraw."""

    @extend_schema(request=schemas.Cancel, responses=schemas.Command)
    def post(self, request: Request, command_id: UUID) -> Response:
        """Withdraw a pending or approved command."""
        now = timezone.now()
        body = Body(body_of(request), known={"reason"})
        reason = body.text("reason", default="", limit=settings.REASON_MAX_CHARS)
        body.done()
        outcome = cancel_command(agent=agent_of(request), command_id=command_id, reason=reason, now=now)
        return _row_or_refusal(outcome, now)


class CommandDecisions(_Commands):
    """A reviewer's verdict."""

    def get_permissions(self) -> list[Any]:
        if isinstance(self.request.auth, AgentPrincipal):
            raise Problem(403, "agents_cannot_decide", "An agent's key never decides.")
        return [PersonWith(Ability.DECIDE)()]

    @extend_schema(request=schemas.Decision, responses=schemas.Command)
    def post(self, request: Request, command_id: UUID) -> Response:
        """Approve or deny the digest that the reviewer saw."""
        verdict, digest, reason = parse_decision(body_of(request))
        now = timezone.now()
        outcome = decide_command(
            access=access_of(request),
            command_id=command_id,
            verdict=verdict,
            digest=digest,
            reason=reason,
            now=now,
        )
        if isinstance(outcome, Refusal):
            raise outcome.problem
        return Response(represent_command(outcome.row, now=now), status=201)


def _row_or_refusal(outcome: CommandRequest | Refusal, now: Any) -> Response:
    if isinstance(outcome, Refusal):
        raise outcome.problem
    return Response(represent_command(outcome, now=now))


def _caller(request: Request) -> AgentPrincipal | Access:
    auth: Any = request.auth
    return agent_of(request) if isinstance(auth, AgentPrincipal) else access_of(request)


def _organization_id(request: Request) -> UUID:
    auth = _caller(request)
    return auth.organization.id if isinstance(auth, AgentPrincipal) else auth.organization_id


def _owner_id(request: Request) -> UUID | None:
    auth: Any = request.auth
    return None if isinstance(auth, AgentPrincipal) else auth.only_agents_of


def _visible(request: Request, row: CommandRequest) -> bool:
    auth = request.auth
    return not isinstance(auth, AgentPrincipal) or row.agent_id == auth.agent_id


def _check_wait(request: Request) -> None:
    parse_wait(request.query_params.get("wait"))


def parse_wait(text: str | None) -> int:
    """Return the seconds to wait.

    Raises:
        Problem: 422 when it is not a whole number from 0 to `API_WAIT_MAX_S`.
    """
    if not text:
        return 0
    if not pagination.is_small_number(text) or int(text) > settings.API_WAIT_MAX_S:
        detail = f"A whole number of seconds, at most {settings.API_WAIT_MAX_S}."
        raise invalid(FieldError("/wait", "out_of_range", detail))
    return int(text)
