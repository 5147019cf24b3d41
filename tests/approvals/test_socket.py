"""`/ws/reviewer/`, through the whole ASGI application: origin, session, role, organization, each message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import TotpDevice, User
from accounts.services import change_role, remove_membership
from approvals.effects import reviewers_group
from expacti.asgi import application
from tests.accounts.cast import ACTOR, Cast
from tests.approvals.factories import submit, vote

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
ORIGIN = settings.PUBLIC_URL.encode()
PATIENCE_S = 5


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenes share the test's transaction, so no part of Channels may close its connection."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)


def socket(browser: Client | None, *, origin: bytes | None = ORIGIN) -> WebsocketCommunicator:
    headers = [] if origin is None else [(b"origin", origin)]
    if browser is not None:
        key = browser.cookies[settings.SESSION_COOKIE_NAME].value
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode()))
    return WebsocketCommunicator(application, "/ws/reviewer/", headers=headers)


async def opened(browser: Client) -> WebsocketCommunicator:
    made = socket(browser)
    connected, _protocol = await made.connect(PATIENCE_S)
    assert connected
    hello = await made.receive_json_from(PATIENCE_S)
    assert hello["type"] == "hello"
    return made


async def closing_code(made: WebsocketCommunicator) -> int:
    """Return the code that the socket ends with; everything before it says only that it ends."""
    while True:
        message = await made.receive_output(PATIENCE_S)
        if message["type"] == "websocket.close":
            return int(message["code"])
        assert '"session.ended"' in message["text"]


def tell(cast: Cast, organization: Any = None, **members: Any) -> Awaitable[None]:
    message = {"type": "command.changed", "id": str(cast.agent.id), "state": "pending", "version": 1, **members}
    return get_channel_layer().group_send(reviewers_group((organization or cast.first).id), message)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene; what it does with the database happens on this thread and connection."""
    async_to_sync(scene)()


@pytest.mark.parametrize("browser", [None, Client()])
def test_attack_46_nobody_is_closed(cast: Cast, browser: Client | None) -> None:
    if browser is not None:
        browser.cookies[settings.SESSION_COOKIE_NAME] = "made-up"

    async def scene() -> None:
        made = socket(browser)
        await made.connect(PATIENCE_S)
        assert await closing_code(made) == 4401

    play(scene)


@pytest.mark.parametrize("name", ["bob", "dave", "alice", "erin"])
def test_attack_42_no_second_factor(cast: Cast, name: str) -> None:
    TotpDevice.objects.filter(user=cast.people[name]).delete()
    browser = cast.client(name, verified=False)

    async def scene() -> None:
        made = socket(browser)
        await made.connect(PATIENCE_S)
        assert await closing_code(made) == 4403

    play(scene)


def test_attack_42_second_factor_skipped(cast: Cast) -> None:
    browser = cast.client("bob", verified=False)

    async def scene() -> None:
        made = socket(browser)
        await made.connect(PATIENCE_S)
        assert await closing_code(made) == 4401

    play(scene)


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b"http://testserver.evil.example", None])
def test_wrong_origin_is_refused(cast: Cast, origin: bytes | None) -> None:
    browser = cast.client("bob")

    async def scene() -> None:
        made = socket(browser, origin=origin)
        connected, _code = await made.connect(PATIENCE_S)
        assert not connected

    play(scene)


def test_a_reviewer_hears_of_the_own_organization_alone(cast: Cast) -> None:
    bob, charlie = cast.client("bob"), cast.client("charlie")

    async def scene() -> None:
        ours, theirs = await opened(bob), await opened(charlie)
        await tell(cast, id="11111111-1111-4111-8111-111111111111", secret="rm -rf /")
        heard = await ours.receive_json_from(PATIENCE_S)
        assert set(heard) == {"type", "id", "state", "version", "pending"}
        assert await theirs.receive_nothing(0.2)
        await tell(cast, cast.second, id="22222222-2222-4222-8222-222222222222")
        assert (await theirs.receive_json_from(PATIENCE_S))["id"].startswith("2222")
        assert await ours.receive_nothing(0.2)
        for made in (ours, theirs):
            await made.disconnect()

    play(scene)


def test_a_command_and_its_end_are_announced(cast: Cast, django_capture_on_commit_callbacks: Any) -> None:
    bob = cast.client("bob")

    def acts() -> str:
        with django_capture_on_commit_callbacks(execute=True):
            row = submit(cast, "make")
            vote(cast, row, "dave", "deny")
        return str(row.id)

    async def scene() -> None:
        made = await opened(bob)
        command_id = await sync_to_async(acts)()
        heard = [await made.receive_json_from(PATIENCE_S) for _ in range(2)]
        assert [(item["id"], item["state"]) for item in heard] == [
            (command_id, "pending"), (command_id, "denied"),
        ]  # fmt: skip
        await made.disconnect()

    play(scene)


def test_a_member_hears_of_their_own_agents_alone(cast: Cast, django_capture_on_commit_callbacks: Any) -> None:
    mallory = cast.client("mallory")
    row = submit(cast, "make")

    def give() -> None:
        cast.agent.owner = cast.mallory
        cast.agent.save()

    async def scene() -> None:
        made = await opened(mallory)
        await tell(cast, id=str(row.id))
        assert await made.receive_nothing(0.2)
        await sync_to_async(give)()
        await tell(cast, id=str(row.id))
        assert (await made.receive_json_from(PATIENCE_S))["id"] == str(row.id)
        await made.disconnect()

    play(scene)


def sign_out(cast: Cast, browser: Client) -> None:
    browser.post("/sign-out/")


def remove(cast: Cast, browser: Client) -> None:
    remove_membership(
        organization_id=cast.first.id,
        membership_id=cast.memberships["bob"].id,
        actor=ACTOR,
        actor_role="owner",
        now=timezone.now(),
    )


def change_password(cast: Cast, browser: Client) -> None:
    user = User.objects.get(pk=cast.bob.pk)
    user.set_password("another long password")
    user.save()


def deactivate(cast: Cast, browser: Client) -> None:
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)


def drop_device(cast: Cast, browser: Client) -> None:
    TotpDevice.objects.filter(user=cast.bob).delete()


def lose_role(cast: Cast, browser: Client) -> None:
    change_role(
        organization_id=cast.first.id,
        membership_id=cast.memberships["bob"].id,
        role="member",
        actor=ACTOR,
        actor_role="owner",
        now=timezone.now(),
    )


ENDS = {
    sign_out: 4401,
    remove: 4401,
    change_password: 4401,
    deactivate: 4401,
    drop_device: 4403,
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_attack_46_socket_dies_with_what_opened_it(cast: Cast, end: Callable[..., None]) -> None:
    bob = cast.client("bob")

    async def scene() -> None:
        made = await opened(bob)
        await sync_to_async(end)(cast, bob)
        await tell(cast)
        assert await closing_code(made) == ENDS[end]

    play(scene)


def test_attack_46_role_lost(cast: Cast) -> None:
    """A member may keep a socket, and hears nothing of others' commands on it."""
    bob = cast.client("bob")
    row = submit(cast, "make")

    async def scene() -> None:
        made = await opened(bob)
        await sync_to_async(lose_role)(cast, bob)
        await tell(cast, id=str(row.id))
        assert await made.receive_nothing(0.2)
        await made.disconnect()

    play(scene)


def test_attack_46_removal_closes_at_once(cast: Cast, django_capture_on_commit_callbacks: Any) -> None:
    bob = cast.client("bob")

    def act() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            remove(cast, bob)

    async def scene() -> None:
        made = await opened(bob)
        await sync_to_async(act)()
        assert await closing_code(made) == 4401

    play(scene)


@pytest.mark.parametrize("text", ['{"verdict":"approve"}', '{"type":"command.changed"}', "{}", "[]", '"x"'])
def test_the_socket_takes_no_orders(cast: Cast, text: str) -> None:
    bob = cast.client("bob")
    row = submit(cast, "make")

    async def scene() -> None:
        made = await opened(bob)
        await made.send_to(text_data=text)
        assert await made.receive_nothing(0.2)
        await made.disconnect()

    play(scene)
    row.refresh_from_db()
    assert (row.state, row.version) == ("pending", 1)


@pytest.mark.parametrize("noise", ["not JSON", "\x00", b"\xff\x00"])
def test_noise_does_not_harm_the_server(cast: Cast, noise: str | bytes) -> None:
    bob = cast.client("bob")

    async def scene() -> None:
        made = await opened(bob)
        await made.send_to(**{"bytes_data" if isinstance(noise, bytes) else "text_data": noise})
        await tell(cast)
        assert (await made.receive_json_from(PATIENCE_S))["type"] == "command.changed"
        await made.disconnect()

    play(scene)
