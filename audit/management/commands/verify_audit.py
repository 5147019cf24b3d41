"""Verify logs in the database: bytes, chain, payloads, and the MACs that only this server makes."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from audit.domain.chain import ChainReport, verify_chain
from audit.models import AuditLog
from audit.selectors import iterate_stored
from core import keys
from core.text import visible

VERIFIED, TAMPERED, NOT_VERIFIABLE = 0, 1, 2


class Command(BaseCommand):
    """Exit 0 verified, 1 tampered, 2 not verifiable."""

    help = "Verify the audit log of one organization (UUID), or of all, and the instance log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", nargs="?", help="UUID; all when left out")

    def handle(self, **options: Any) -> None:
        try:
            worst = max(self._verify(log) for log in _logs(options["organization"]))
        except Error as error:
            raise CommandError(f"The database does not answer: {error}", returncode=NOT_VERIFIABLE) from error
        if worst:
            sys.exit(worst)

    def _verify(self, log: AuditLog) -> int:
        key = keys.derive("audit-mac", log.origin)
        stored = iterate_stored(log.organization_id, size=log.size)
        report = verify_chain(stored, origin=log.origin, mac_key=key)
        for fault in report.faults:
            self.stderr.write(f"{log.origin} seq {fault.seq}: {fault.kind}: {visible(fault.reason)}")
        code = _judge(report, log)
        words = {
            VERIFIED: "verified",
            TAMPERED: "TAMPERED",
            NOT_VERIFIABLE: "not verifiable",
        }
        self.stdout.write(f"{log.origin}: {words[code]}; {report.size} records, head {report.head.hex()}")
        if code == VERIFIED:
            self.stdout.write(
                "  Note the head elsewhere: without it, a log cut short at its end cannot be told"
                f" from a younger one. expacti verify EXPORT --head {report.size}:{report.head.hex()}"
            )
        return code


def _logs(organization: str | None) -> list[AuditLog]:
    rows = AuditLog.objects.order_by("origin")
    try:
        found = list(rows.filter(organization_id=UUID(organization)) if organization else rows)
    except ValueError as error:
        raise CommandError(f"{organization} is not a UUID.", returncode=NOT_VERIFIABLE) from error
    if not found:
        raise CommandError("There is no such log.", returncode=NOT_VERIFIABLE)
    return found


def _judge(report: ChainReport, log: AuditLog) -> int:
    if report.tampered or report.size != log.size or report.head != bytes(log.last_leaf):
        return TAMPERED
    return NOT_VERIFIABLE if report.missing else VERIFIED
