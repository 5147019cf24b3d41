"""A frozen queue hands out nothing, by whichever way it is asked."""

from __future__ import annotations

import pytest
from django.utils import timezone

from approvals.services.freeze import freeze_queue, unfreeze_queue
from tests.accounts.cast import Cast
from tests.approvals.factories import NONCE, AgentClient, access, allow, decide_by_api, make_body

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])


def test_no_grant_while_frozen_new_or_taken_before(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "ls")
    by_rule = make_body(cast.agent, "ls", release_nonce=NONCE)
    first = agent.submit(by_rule).json()["grant"]
    reviewed, waiting = make_body(cast.agent, "make"), make_body(cast.agent, "make", "all")
    for body in (reviewed, waiting):
        agent.submit(body)
        assert decide_by_api(cast.client("bob"), body).status_code == 201
    taken = agent.release(reviewed).json()["grant"]

    freeze_queue(access=access(cast, "alice"), reason="incident", now=timezone.now())
    assert "grant" not in agent.submit(by_rule).json()
    assert agent.submit(make_body(cast.agent, "ls", release_nonce=NONCE)).json()["state"] == "pending"
    for body in (by_rule, reviewed, waiting):
        refused = agent.release(body)
        assert (refused.status_code, refused.json()["code"]) == (409, "queue_frozen")

    unfreeze_queue(access=access(cast, "alice"), reason="over", now=timezone.now())
    assert agent.submit(by_rule).json()["grant"] == first
    assert agent.release(reviewed).json()["grant"] == taken
    assert agent.release(waiting).status_code == 200
