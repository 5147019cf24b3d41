"""Sign the one grant of an approved command."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.conf import settings

from approvals.domain.grants import GrantClaims, sign_grant
from approvals.domain.states import State
from approvals.selectors.grant_keys import get_grant_key
from approvals.services.journal import CommandJournal

NONCE_BYTES = 16


def record_release(journal: CommandJournal, *, release_nonce: str, now: datetime) -> None:
    """Sign the grant of an approved command into the journal's row."""
    row = journal.row
    key = get_grant_key()
    claims = GrantClaims(
        iss=settings.PUBLIC_URL,
        organization=str(row.organization_id),
        agent=str(row.agent_id),
        command=str(row.id),
        digest=row.digest,
        by=row.decided_by,
        release_nonce=release_nonce,
        jti=secrets.token_hex(NONCE_BYTES),
        iat=int(now.timestamp()),
        exp=int(row.expires_at.timestamp()),
    )
    journal.step(
        "command.released",
        facts={"digest": row.digest, "exp": claims.exp, "jti": claims.jti, "kid": key.kid},
        state=State.RELEASED,
        released_at=now,
        release_nonce=release_nonce,
        grant_jti=claims.jti,
        grant=sign_grant(claims, key),
    )
