"""REST edges of the whitelist and the policies: for admins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import ApiKeyAuthentication, SessionAuthentication
from accounts.api.permissions import PersonWith
from accounts.api.requests import access_of, body_of
from accounts.domain.roles import Ability
from accounts.models import Organization
from approvals.api import schemas
from approvals.api.bodies import parse_policy, parse_rule
from approvals.models import ApprovalPolicy
from approvals.selectors.policies import list_policies
from approvals.selectors.rules import list_rules
from approvals.selectors.rulesets import Unavailable
from approvals.selectors.simulate import simulate_rule
from approvals.services.policies import PolicyChange, change_policy
from approvals.services.rules import check_draft, create_rule, retire_rule
from approvals.whitelist.domain.canonical_rule import rule_document
from core.problems import Problem, not_found


class _Administration(APIView):
    authentication_classes = (ApiKeyAuthentication, SessionAuthentication)
    permission_classes = (PersonWith(Ability.ADMINISTER),)


class RuleCollection(_Administration):
    """The rules in force."""

    @extend_schema(operation_id="whitelist_rules_list", responses=schemas.RulePage)
    def get(self, request: Request) -> Response:
        """List the rules in force with the version and root that the audit log names."""
        ruleset, rules = _in_force(access_of(request).organization_id)
        results = [_represent(item.rule, item.uses) for item in rules]
        return Response({"version": ruleset.version, "root": ruleset.root, "results": results})

    @extend_schema(request=schemas.RuleDraft, responses={201: schemas.Rule})
    def post(self, request: Request) -> Response:
        """Add a rule. 409 `warnings_unconfirmed` says what it would let through."""
        draft, accepted = parse_rule(body_of(request))
        rule = create_rule(access=access_of(request), draft=draft, accept_warnings=accepted, now=timezone.now())
        return Response(_represent(rule, 0), status=201)


class RuleItem(_Administration):
    """One rule."""

    @extend_schema(responses=schemas.Rule)
    def get(self, request: Request, rule_id: UUID) -> Response:
        """Read a rule in force."""
        _ruleset, rules = _in_force(access_of(request).organization_id)
        for item in rules:
            if item.rule.id == str(rule_id):
                return Response(_represent(item.rule, item.uses))
        raise not_found()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, rule_id: UUID) -> Response:
        """Retire a rule. The log keeps it."""
        retire_rule(access=access_of(request), rule_id=rule_id, now=timezone.now())
        return Response(status=204)


class RuleSimulation(_Administration):
    """What a rule would have matched."""

    @extend_schema(request=schemas.RuleDraft, responses=schemas.Simulation)
    def post(self, request: Request) -> Response:
        """Match a rule against the last 30 days' commands. Nothing is stored."""
        draft, _accepted = parse_rule(body_of(request))
        now = timezone.now()
        rule, warnings = check_draft(draft, now=now)
        organization = Organization.objects.get(pk=access_of(request).organization_id)
        found = simulate_rule(organization, rule, now=now)
        commands = [
            {"id": str(row.id), "agent": row.agent.name, "state": row.state, **_line(row.wish)}
            for row in found.commands
        ]
        return Response(
            {
                "warnings": [item.text for item in warnings],
                "examined": found.examined,
                "matched": found.matched,
                "commands": commands,
            }
        )


class PolicyCollection(_Administration):
    """The policies."""

    @extend_schema(operation_id="policies_list", responses=schemas.PolicyPage)
    def get(self, request: Request) -> Response:
        """List the policies in order."""
        rows = list_policies(access_of(request).organization_id)
        return Response({"results": [_policy(row) for row in rows]})


class PolicyItem(_Administration):
    """One policy."""

    @extend_schema(request=schemas.Policy, responses=schemas.Policy)
    def patch(self, request: Request, policy_id: UUID) -> Response:
        """Change a policy. Commands under way keep the one they came under."""
        row = list_policies(access_of(request).organization_id).filter(pk=policy_id).first()
        if row is None:
            raise not_found()
        before = PolicyChange(**{name: getattr(row, name) for name in PolicyChange.__slots__})
        change = parse_policy(body_of(request), before)
        changed = change_policy(access=access_of(request), policy_id=policy_id, change=change, now=timezone.now())
        return Response(_policy(changed))


def _in_force(organization_id: UUID) -> Any:
    found = list_rules(organization_id)
    if isinstance(found, Unavailable):
        raise Problem(409, "whitelist_unavailable", f"{found.reason}.")
    return found


def _represent(rule: Any, uses: int) -> dict[str, Any]:
    return {"id": rule.id, "document": rule_document(rule), "uses": uses}


def _line(wish: dict[str, Any]) -> dict[str, Any]:
    return {"argv": wish.get("argv"), "command": wish.get("command")}


def _policy(row: ApprovalPolicy) -> dict[str, Any]:
    names = ("name", *PolicyChange.__slots__[1:], "version")
    return {"id": str(row.id), **{name: getattr(row, name) for name in names}}
