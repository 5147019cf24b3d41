"""`/ws/reviewer/`: tells a reviewer's page that the queue changed. Ids and public fields only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.utils import timezone

from accounts.domain.access import Access, require_verified
from accounts.domain.roles import Ability
from accounts.sessions import access_for_session
from approvals.domain.request import format_time
from approvals.effects import reviewers_group
from approvals.selectors.commands import count_pending, get_command
from core.problems import Problem

CLOSE_SIGNED_OUT = 4401
CLOSE_FORBIDDEN = 4403


class ReviewerConsumer(AsyncJsonWebsocketConsumer):
    """One reviewer's socket.

    Session, membership and second factor are asked again before each message, so that a socket
    does not outlive what opened it.
    """

    groups: list[str]

    async def connect(self) -> None:
        access = await self._access()
        if isinstance(access, Problem):
            # Accept first: a browser cannot read the code of a refused handshake.
            await self.accept()
            await self._end(access)
            return
        self.organization_id = access.organization_id
        self.groups = [reviewers_group(access.organization_id), f"user.{access.user_id.hex}"]
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()
        pending = await _count(access)
        now = format_time(timezone.now())
        await self.send_json({"type": "hello", "server_time": now, "pending": pending})

    async def disconnect(self, code: int) -> None:
        del code
        for group in self.groups or []:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_kwargs: Any) -> None:
        """Take nothing, not even parse it: decisions are requests with a CSRF token."""
        del text_data, bytes_data

    async def command_changed(self, event: dict[str, Any]) -> None:
        """Pass a change on, if this person may still see it."""
        access = await self._still_open()
        if access is not None and await _may_see(access, event["id"]):
            public = {name: event[name] for name in ("type", "id", "state", "version")}
            await self.send_json({**public, "pending": await _count(access)})

    async def session_ended(self, event: dict[str, Any]) -> None:
        """Close when this very session does not hold any more."""
        del event
        await self._still_open()

    async def _still_open(self) -> Access | None:
        access: Access | Problem = await self._access()
        if isinstance(access, Problem):
            await self._end(access)
            return None
        if access.organization_id != self.organization_id:
            await self._end(None)
            return None
        return access

    async def _end(self, problem: Problem | None) -> None:
        await self.send_json({"type": "session.ended"})
        forbidden = problem is not None and problem.status == 403
        await self.close(CLOSE_FORBIDDEN if forbidden else CLOSE_SIGNED_OUT)

    @database_sync_to_async
    def _access(self) -> Access | Problem:
        try:
            return require_verified(access_for_session(self.scope["session"]), Ability.VIEW_QUEUE)
        except Problem as problem:
            return problem


@database_sync_to_async
def _count(access: Access) -> int:
    return count_pending(access.organization_id, owner_id=access.only_agents_of)


@database_sync_to_async
def _may_see(access: Access, command_id: str) -> bool:
    owner_id = access.only_agents_of
    if owner_id is None:
        return True
    return get_command(access.organization_id, UUID(command_id), owner_id=owner_id) is not None
