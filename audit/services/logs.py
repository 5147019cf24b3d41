"""Open a log: once per organization, at its creation, in the same transaction."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import connections

from audit.domain.record import genesis

USING = "default"
LOG_ID_BYTES = 8


def open_log(organization_id: uuid.UUID | None) -> uuid.UUID:
    """Create the head row of a log and return the log's id."""
    log_id = uuid.uuid4()
    random_id = secrets.token_hex(LOG_ID_BYTES)
    place = "i" if organization_id is None else f"o/{organization_id}"
    origin = f"{settings.ORIGIN_HOST}/{place}/{random_id}"
    connection = connections[USING]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sql = "SELECT expacti_audit_open_log(%s, %s, %s, %s)"
            cursor.execute(sql, [log_id, organization_id, origin, genesis(origin)])
        else:
            organization = None if organization_id is None else organization_id.hex
            sql = (
                "INSERT INTO audit_log (id, organization_id, origin, size, last_leaf, prev_leaf)"
                " VALUES (%s, %s, %s, 0, %s, %s)"
            )
            first = genesis(origin)
            cursor.execute(sql, [log_id.hex, organization, origin, first, first])
    return log_id
