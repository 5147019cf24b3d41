"""One action on one row: its new columns, its records, its seal, sent together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.models import CommandRequest, QueueState
from approvals.selectors.integrity import command_object, queue_object, seal_command, seal_queue
from audit.services import Event, GuardFailed, append
from core import db
from core.ids import uuid7


class LostRace(Exception):  # noqa: N818 - an outcome of concurrency, caught at once
    """Another transaction changed the row first. Nothing of this action was written."""


class _Journal:
    """Collects the versions that one action adds to a row, then seals and writes once."""

    def __init__(self, row: Any, *, actor: str, now: datetime, obj: str) -> None:
        self.row = row
        self.actor = actor
        self.now = now
        self.obj = obj
        self.events: list[Event] = []
        self._changed: set[str] = set()
        self._before = row.version

    def step(
        self,
        kind: str,
        *,
        facts: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Add one version: the columns that change, and the record that says so."""
        for name, value in changes.items():
            setattr(self.row, name, value)
        self.row.version += 1
        event = Event(
            type=kind,
            obj=self.obj,
            actor=self.actor,
            facts=dict(facts or {}),
            payload=payload,
            version=self.row.version,
            event_id=uuid7(),
        )
        self.row.last_event = event.event_id
        self.events.append(event)
        self._changed.update(changes, ("version", "last_event", "seal"))

    def aside(self, kind: str, *, facts: Mapping[str, Any], payload: Any = None) -> None:
        """Add a record about the row that is not a version of it."""
        event = Event(kind, self.obj, self.actor, dict(facts), payload, self.row.version)
        self.events.append(event)

    def _seal(self) -> str:
        raise NotImplementedError

    def _sealed_events(self) -> list[Event]:
        commitment = self._seal()
        last = self.row.last_event
        return [
            replace(event, facts={**event.facts, "columns": commitment}) if event.event_id == last else event
            for event in self.events
        ]

    def _update(self) -> db.Write:
        model = type(self.row)
        rows = model.objects.filter(pk=self.row.pk, organization_id=self.row.organization_id, version=self._before)
        return db.update(rows, **{name: getattr(self.row, name) for name in sorted(self._changed)})

    def commit_update(self, *, writes: Sequence[db.Write] = ()) -> None:
        """Update the row from the version that was read, and append.

        Raises:
            LostRace: the row has another version by now.
        """
        # Sealing comes first: the update writes the seal.
        events = self._sealed_events() if self._changed else self.events
        own = [self._update()] if self._changed else []
        try:
            with transaction.atomic():
                appended = append(
                    organization_id=self.row.organization_id,
                    now=self.now,
                    events=events,
                    writes=[*own, *writes],
                )
        except GuardFailed as error:
            raise LostRace from error
        if not appended:
            raise LostRace

    def commit_insert(self, *, writes: Sequence[db.Write] = ()) -> None:
        """Insert the row and append, in one statement where the database allows.

        Raises:
            LostRace: one of `writes` touched no row. Nothing was written.
        """
        events = self._sealed_events()
        try:
            append(
                organization_id=self.row.organization_id,
                now=self.now,
                events=events,
                writes=[db.insert(self.row), *writes],
            )
        except GuardFailed as error:
            raise LostRace from error


class CommandJournal(_Journal):
    """An action on a command."""

    row: CommandRequest

    def __init__(self, row: CommandRequest, *, actor: str, now: datetime) -> None:
        super().__init__(row, actor=actor, now=now, obj=command_object(row.id))

    def _seal(self) -> str:
        return seal_command(self.row)


class QueueJournal(_Journal):
    """An action on an organization's queue row."""

    row: QueueState

    def __init__(self, row: QueueState, *, actor: str, now: datetime) -> None:
        super().__init__(row, actor=actor, now=now, obj=queue_object(row.organization_id))

    def _seal(self) -> str:
        return seal_queue(self.row)
