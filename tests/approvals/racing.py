"""What many processes and threads do to one installation: `python -m tests.approvals.racing ACT FILE`.

Run by test_concurrency.py with an environment that names the installation's databases. Every thread
has a database connection of its own; a barrier lets them all go at once.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402 - after setup
from django.utils import timezone  # noqa: E402

from accounts.domain.access import Access  # noqa: E402
from accounts.models import Agent, ApiKey, Membership, TotpDevice, User  # noqa: E402
from accounts.services import add_membership, create_agent, create_api_key, create_user  # noqa: E402
from approvals.api.bodies import body_limits  # noqa: E402
from approvals.domain.parse import parse_submission  # noqa: E402
from approvals.domain.tally import Verdict  # noqa: E402
from approvals.models import CommandRequest, Decision, RuleUse  # noqa: E402
from approvals.services.decide import decide_command  # noqa: E402
from approvals.services.locking import Refusal  # noqa: E402
from approvals.services.onboarding import found_organization  # noqa: E402
from approvals.services.release import Released, cancel_command, release_command  # noqa: E402
from approvals.services.rules import RuleDraft, create_rule  # noqa: E402
from approvals.services.submit import submit_command  # noqa: E402
from core.problems import Problem  # noqa: E402
from tests.approvals.factories import make_body, principal  # noqa: E402

ACTOR = "system:race"
REVIEWERS = 20


def seed() -> dict[str, Any]:
    """Found an organization with twenty reviewers and an agent."""
    now = timezone.now()
    names = ["owner", *(f"reviewer{number}" for number in range(REVIEWERS))]
    users = [
        create_user(email=f"{name}@race.example", password=uuid.uuid4().hex, name=name, actor=ACTOR, now=now)
        for name in names
    ]
    organization = found_organization(name="Race", slug="race", owner=users[0], actor=ACTOR, now=now)
    for user in users[1:]:
        add_membership(
            organization_id=organization.id, user=user, role="reviewer", actor=ACTOR, actor_role="owner", now=now
        )
    for user in users:
        TotpDevice.objects.create(user=user, name="Phone", confirmed=True, seed="A" * 32)
    agent = create_agent(organization_id=organization.id, name="racer", owner=users[0], actor=ACTOR, now=now)
    create_api_key(organization_id=organization.id, agent_id=agent.id, created_by_id=users[0].id, actor=ACTOR, now=now)
    return {"organization": str(organization.id)}


class World:
    """The installation's people, as services take them."""

    def __init__(self) -> None:
        self.agent = Agent.objects.select_related("organization").get(name="racer")
        self.principal = principal(self.agent, ApiKey.objects.get(agent=self.agent))
        self.reviewers = [self._access(f"reviewer{number}") for number in range(REVIEWERS)]
        self.owner = self._access("owner")

    def _access(self, name: str) -> Access:
        row = Membership.objects.select_related("user", "organization").get(user=User.objects.get(name=name))
        return Access(
            user_id=row.user_id,
            organization_id=row.organization_id,
            membership_id=row.id,
            role=row.role,
            verified=True,
            second_factor="totp",
            email=row.user.email or "",
            name=name,
            organization_name=row.organization.name,
        )

    def submit(self, *argv: str, **changes: Any) -> CommandRequest:
        body = make_body(self.agent, *argv, **changes)
        submission = parse_submission(body, body_limits())
        return submit_command(agent=self.principal, submission=submission, now=timezone.now()).row

    def vote(self, row: CommandRequest, who: Access, verdict: str = "approve") -> Any:
        return decide_command(
            access=who,
            command_id=row.id,
            verdict=Verdict(verdict),
            digest=row.digest,
            reason="race",
            now=timezone.now(),
        )

    def release(self, row: CommandRequest, nonce: str, now: Any = None) -> Any:
        return release_command(
            agent=self.principal, command_id=row.id, release_nonce=nonce, digest=row.digest, now=now or timezone.now()
        )


def race(acts: Sequence[Callable[[], Any]]) -> list[str]:
    """Run the acts at once, each in a thread; return each one's outcome in a word."""
    barrier, outcomes = threading.Barrier(len(acts)), [""] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            barrier.wait(30)
            outcomes[number] = word(act())
        except Problem as problem:
            outcomes[number] = problem.code
        except Exception as error:
            outcomes[number] = f"{type(error).__name__}: {error}"
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def word(outcome: Any) -> str:
    if isinstance(outcome, Refusal):
        return outcome.problem.code
    if isinstance(outcome, Released):
        return "released"
    if isinstance(outcome, CommandRequest):
        return outcome.state
    return "voted"


def counted(outcomes: Sequence[str]) -> dict[str, int]:
    return dict(Counter(outcomes))


def submissions(world: World) -> Any:
    outcomes = []
    for _ in range(10):
        outcomes += race([lambda number=number: world.submit("make", str(number)) for number in range(20)])
    return counted(outcomes)


def same_submission(world: World) -> Any:
    body = make_body(world.agent, "make", "once")

    def act() -> Any:
        submission = parse_submission(body, body_limits())
        submitted = submit_command(agent=world.principal, submission=submission, now=timezone.now())
        return submitted.row

    outcomes = race([act] * 20)
    return {"outcomes": counted(outcomes), "rows": CommandRequest.objects.filter(pk=body["id"]).count()}


def votes(world: World) -> Any:
    found = []
    for _ in range(5):
        row = world.submit("make")
        outcomes = race([lambda who=who, row=row: world.vote(row, who) for who in world.reviewers])
        found.append({"outcomes": counted(outcomes), **state(row)})
    return found


def deny_against_approve(world: World) -> Any:
    found = []
    for _ in range(5):
        row = world.submit("make")
        acts = [
            lambda who=who, row=row, verdict=verdict: world.vote(row, who, verdict)
            for who, verdict in zip(world.reviewers, ["approve", "deny"] * (REVIEWERS // 2), strict=True)
        ]
        found.append({"outcomes": counted(race(acts)), **state(row)})
    return found


def releases(world: World) -> Any:
    found = []
    for _ in range(5):
        row = world.submit("make")
        world.vote(row, world.reviewers[0])
        nonces = [uuid.uuid4().hex for _ in range(20)]
        outcomes = race([lambda nonce=nonce, row=row: world.release(row, nonce) for nonce in nonces])
        winner = nonces[outcomes.index("released")] if "released" in outcomes else ""
        found.append({"outcomes": counted(outcomes), "won": state(row)["nonce"] == winner, **state(row)})
    return found


def release_against_expiry(world: World) -> Any:
    found = []
    for _ in range(5):
        row = world.submit("make")
        world.vote(row, world.reviewers[0])
        late = row.expires_at + timedelta(seconds=1)
        acts = [
            lambda number=number, row=row: world.release(row, f"{number:032x}", late if number % 2 else None)
            for number in range(20)
        ]
        found.append({"outcomes": counted(race(acts)), **state(row)})
    return found


def cancel_against_vote_and_release(world: World) -> Any:
    found = []
    for _ in range(5):
        row = world.submit("make")

        def cancel(row: CommandRequest = row) -> Any:
            return cancel_command(agent=world.principal, command_id=row.id, reason="", now=timezone.now())

        acts = [cancel, *(lambda who=who, row=row: world.vote(row, who) for who in world.reviewers[:6])]
        acts += [lambda row=row: world.release(row, "0" * 32) or None] * 6
        found.append({"outcomes": counted(race(acts)), **state(row)})
    return found


def limited_rule(world: World) -> Any:
    draft = RuleDraft(kind="argv_glob", effect="allow", pattern="pwd", reason="race", max_uses=5)
    rule = create_rule(access=world.owner, draft=draft, accept_warnings=True, now=timezone.now())
    outcomes = race([lambda: world.submit("pwd", release_nonce=uuid.uuid4().hex)] * 20)
    return {"outcomes": counted(outcomes), "uses": RuleUse.objects.get(rule_id=rule.id).uses}


def two_rules(world: World) -> Any:
    drafts = [
        RuleDraft(kind="argv_glob", effect="allow", pattern=f"date {number}", reason="race") for number in range(8)
    ]
    outcomes = race(
        [
            lambda draft=draft: create_rule(access=world.owner, draft=draft, accept_warnings=True, now=timezone.now())
            for draft in drafts
        ]
    )
    return counted(outcomes)


def write_for_ever(world: World) -> Any:
    """Submit until killed; say each id once it is acknowledged."""
    lock = threading.Lock()

    def act() -> None:
        while True:
            row = world.submit("make", "for", "ever")
            with lock:
                sys.stdout.write(f"{row.id}\n")
                sys.stdout.flush()

    race([act] * 5)


def state(row: CommandRequest) -> dict[str, Any]:
    row.refresh_from_db()
    return {
        "state": row.state,
        "nonce": row.release_nonce,
        "decisions": Decision.objects.filter(command=row).count(),
    }


ACTS = {
    act.__name__: act
    for act in (
        submissions, same_submission, votes, deny_against_approve, releases, release_against_expiry,
        cancel_against_vote_and_release, limited_rule, two_rules, write_for_ever,
    )
}  # fmt: skip

if __name__ == "__main__":
    answer = seed() if sys.argv[1] == "seed" else ACTS[sys.argv[1]](World())
    Path(sys.argv[2]).write_text(json.dumps(answer))
