"""The one digest, three ways: the server's, the client's vectors, and docs/formats.md read anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from approvals.domain.request import Wish, compute_digest, parse_time
from tests.approvals.factories import independent_digest
from tests.support.stack import ROOT

VECTORS = json.loads(Path(ROOT, "agent_client/tests/vectors.json").read_text(encoding="utf-8"))["cases"]


def servers_digest(bound: dict[str, Any]) -> str:
    return compute_digest(
        Wish.from_dict(bound),
        organization=bound["organization"],
        agent=bound["agent"],
        id=bound["id"],
        nonce=bound["nonce"],
        expires_at=parse_time(bound["expires_at"]),
    )


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_server_client_and_formats_agree(case: dict[str, Any]) -> None:
    assert servers_digest(case["bound"]) == case["digest"] == independent_digest(case["bound"])


CHANGES: dict[str, Any] = {
    "organization": "11111111-8a55-4f7e-9a43-1f2e3d4c5b6a",
    "agent": "11111111-1b7a-4c39-8e21-9f8e7d6c5b4a",
    "id": "11111111-7425-40de-944b-e07fc1f90ae7",
    "nonce": "1" * 32,
    "argv": ["ls", "/"],
    "shell": "/bin/sh",
    "exe": None,
    "cwd": "/",
    "env": {"LD_PRELOAD": None},
    "user": "root",
    "host": "web2",
    "stdin": "open",
    "expires_at": "2030-01-02T03:04:06Z",
}


@pytest.mark.parametrize("member", CHANGES)
def test_attack_25_every_member_is_bound(member: str) -> None:
    plain = VECTORS[0]["bound"]
    assert servers_digest({**plain, member: CHANGES[member]}) != servers_digest(plain)


def test_attack_25_argv_is_not_its_words_joined() -> None:
    plain = VECTORS[0]["bound"]
    split, joined = ({**plain, "argv": argv} for argv in (["a", "b"], ["a b"]))
    assert servers_digest(split) != servers_digest(joined)
