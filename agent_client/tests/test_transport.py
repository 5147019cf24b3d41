"""Retries, idempotency, TLS, and where the token goes."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from expacti_agent import (
    ApiError,
    AsyncClient,
    Client,
    CommandSpec,
    ConfigError,
    DeniedError,
    ExpiredError,
    InsecureServerError,
    Progress,
    ProtocolError,
    UnreachableError,
)
from expacti_agent.protocol import Reply, problem, retry_after, within
from expacti_agent.settings import check_token, check_url, load_settings
from standin import TOKEN, Server, StandIn

if TYPE_CHECKING:
    from pathlib import Path

TRUE = CommandSpec(argv=("true",), ttl_s=60)


class Once:
    """Makes trouble the first `times` times that `ending` is asked for."""

    def __init__(self, ending: str, what: Any, times: int = 1) -> None:
        self.ending, self.what, self.times = ending, what, times

    def __call__(self, _method: str, path: str) -> Any:
        if path.endswith(self.ending) and self.times > 0:
            self.times -= 1
            return self.what
        return None


@pytest.mark.parametrize("what", ["drop", 429, 502, 503, 504])
def test_a_lost_submission_is_sent_again_the_same(
    what: Any, client: Client, configured: StandIn
) -> None:
    client.login()
    configured.trouble = Once("/commands/", what)
    assert client.run(TRUE).status == 0
    first, second = [one.body for one in configured.seen if one.path.endswith("/commands/")]
    assert first == second
    assert len(configured.commands) == 1


def test_in_flight_is_waited_for(client: Client, configured: StandIn) -> None:
    configured.trouble = Once("/commands/", (409, {"code": "id_in_flight", "detail": ""}))
    assert client.run(TRUE).status == 0


def test_a_lost_grant_is_fetched_again(client: Client, configured: StandIn) -> None:
    configured.policy = "pending"
    configured.trouble = Once("/release/", "drop")
    timer = threading.Timer(0.2, configured.decide, ["approved"])
    timer.start()
    assert client.run(TRUE).status == 0
    timer.join()
    nonces = {one.body["release_nonce"] for one in configured.seen if "release" in one.path}
    assert len(nonces) == 1
    assert len(configured.grants) == 1


def test_a_server_that_does_not_hold_the_poll_is_not_hammered(
    client: Client, configured: StandIn
) -> None:
    configured.policy, configured.hold = "pending", False
    timer = threading.Timer(1.2, configured.decide, ["approved"])
    timer.start()
    client.run(TRUE)
    timer.join()
    assert configured.paths().count("release") <= 4


def test_the_server_restarts_while_waiting(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment
    standin = StandIn(policy="pending")
    server = Server(standin)
    port = server.server_address[1]
    monkeypatch.setenv("EXPACTI_URL", standin.url)
    monkeypatch.setenv("EXPACTI_TOKEN", TOKEN)
    heard: list[str] = []

    class Listener(Progress):
        def trouble(self, request: object, text: str) -> None:
            assert request is not None
            heard.append(text)

    outcome: list[int] = []

    def run() -> None:
        with Client(progress=Listener()) as client:
            outcome.append(client.run(TRUE).status)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: "release" in standin.paths())
    standin.hold = False
    server.stop()
    wait_until(lambda: len(heard) > 0)
    again = Server(standin, port)
    standin.decide("approved")
    thread.join(20)
    again.stop()
    assert outcome == [0]


def test_unreachable_until_expiry(client: Client, configured: StandIn, tmp_path: Path) -> None:
    client.login()
    request = client.prepare(CommandSpec(argv=("touch", str(tmp_path / "marker"))))
    object.__setattr__(request, "deadline", time.monotonic() + 1.5)
    configured.trouble = lambda _method, path: 503 if "commands" in path else None
    started = time.monotonic()
    with pytest.raises((UnreachableError, ApiError)):
        client.obtain(request)
    assert 1.4 < time.monotonic() - started < 4
    assert not (tmp_path / "marker").exists()


def test_connection_refused_until_expiry(
    client: Client, tmp_path: Path, configured: StandIn
) -> None:
    client.login()
    request = client.prepare(CommandSpec(argv=("touch", str(tmp_path / "marker"))))
    object.__setattr__(request, "deadline", time.monotonic() + 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client._transport._http.base_url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UnreachableError, match="unreachable"):
        client.obtain(request)
    assert configured.commands == {}


@pytest.mark.parametrize(
    ("state", "error"),
    [("denied", DeniedError), ("cancelled", DeniedError), ("expired", ExpiredError)],
)
def test_no_is_no(state: str, error: type[Exception], client: Client, configured: StandIn) -> None:
    configured.policy = "pending"
    timer = threading.Timer(0.2, configured.decide, [state, "reviewer", "not on Fridays"])
    timer.start()
    with pytest.raises(error) as refused:
        client.run(TRUE)
    timer.join()
    if state == "denied":
        assert str(refused.value) == "reviewer: not on Fridays"
    assert "cancel" not in configured.paths()


def test_denied_at_once(client: Client, configured: StandIn) -> None:
    configured.policy = "denied"
    with pytest.raises(DeniedError, match="rule: no"):
        client.run(TRUE)


def test_frozen(client: Client, configured: StandIn) -> None:
    configured.trouble = Once("/commands/", (409, {"code": "queue_frozen", "detail": "frozen"}))
    with pytest.raises(DeniedError, match="queue_frozen"):
        client.run(TRUE)


def test_problems_are_typed(client: Client, configured: StandIn) -> None:
    error = {"pointer": "/argv/0", "code": "too_long", "detail": "too long"}
    body = {"code": "invalid", "detail": "bad", "request_id": "r-7", "errors": [error]}
    configured.trouble = Once("/commands/", (422, body))
    with pytest.raises(ApiError) as refused:
        client.run(TRUE)
    problem_ = refused.value
    assert (problem_.status, problem_.code, problem_.request_id) == (422, "invalid", "r-7")
    assert problem_.errors[0].pointer == "/argv/0"
    assert "cancel" in configured.paths()  # it may be there; nobody would wait for it


@pytest.mark.parametrize("raw", [b"<html>", b"[1]", b"", b'{"errors": 3}', b"[" * 100_000])
def test_problems_of_any_form(raw: bytes) -> None:
    assert problem(Reply(500, {}, raw)).code == "unknown"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int, client: Client, configured: StandIn) -> None:
    configured.trouble = lambda _method, _path: status
    with pytest.raises(ProtocolError, match="redirect"):
        client.whoami()


@pytest.mark.parametrize("raw", [b"<html>hello", b"[]", b"x" * (5 * 2**20)])
def test_answers_that_are_no_objects(raw: bytes, client: Client, configured: StandIn) -> None:
    configured.trouble = lambda _method, _path: (200, raw)
    with pytest.raises(ProtocolError):
        client.whoami()


def test_the_token_goes_where_it_belongs(client: Client, configured: StandIn) -> None:
    client.login()
    client.run(TRUE)
    for seen in configured.seen:
        sent = seen.headers.get("authorization")
        assert sent == (None if ".well-known" in seen.path else f"Bearer {TOKEN}")
        assert TOKEN not in seen.path
        assert TOKEN not in str(seen.body)
    assert TOKEN not in repr(client.settings)


def test_loopback_does_not_go_through_a_proxy(
    configured: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert configured.url
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Client() as client:
        client.whoami()


def test_retry_after() -> None:
    assert retry_after("7") == 7
    assert retry_after("") == retry_after("x") == retry_after("-1") == 0
    assert retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert retry_after("Thu, 01 Jan 2100 00:00:00 GMT") > 1e9


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://e.example", "https://e.example"),
        ("https://E.example:8443/", "https://e.example:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_urls(url: str, origin: str) -> None:
    assert check_url(url) == origin


@pytest.mark.parametrize("host", ["e.example", "10.0.0.1", "localhost.evil.example", "0.0.0.0"])
def test_plain_http_only_to_loopback(host: str) -> None:
    with pytest.raises(InsecureServerError):
        check_url(f"http://{host}:8000")


@pytest.mark.parametrize(
    "url",
    [
        "e.example",
        "ftp://e",
        "https://u:p@e",
        "https://e/path",
        "https://e?x",
        "https://",
        "https://e:x",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError):
        check_url(url)


def test_tokens() -> None:
    assert check_token(f" {TOKEN}\n") == TOKEN
    for wrong in (TOKEN[:-1], TOKEN[:-1] + "x", TOKEN.replace("0", "1", 1), "a b", "", "é" * 40):
        with pytest.raises(ConfigError):
            check_token(wrong)


def test_a_saved_token_goes_to_its_own_server_only(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = client.settings.store
    profile = store.load("default")
    object.__setattr__(profile, "url", client.settings.url)
    object.__setattr__(profile, "token", TOKEN)
    store.save("default", profile)
    monkeypatch.delenv("EXPACTI_TOKEN")
    assert load_settings().token == TOKEN
    monkeypatch.setenv("EXPACTI_URL", "https://evil.example")
    with pytest.raises(ConfigError, match="saved token is for"):
        load_settings()


def test_the_report_is_best_effort(client: Client, configured: StandIn) -> None:
    heard: list[str] = []
    client.progress.unreported = heard.append  # type: ignore[method-assign, assignment]
    configured.trouble = lambda _method, path: 500 if "result" in path else None
    assert client.run(CommandSpec(argv=("false",))).status == 1
    assert len(heard) == 1


def test_interrupted_waiting_cancels(client: Client, configured: StandIn) -> None:
    configured.policy = "pending"

    def interrupt(_command: object) -> None:
        raise KeyboardInterrupt

    client.progress.waiting = interrupt  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        client.run(TRUE)
    assert configured.paths()[-1] == "cancel"


def test_submit_wait_release_separately(client: Client, configured: StandIn) -> None:
    configured.policy = "pending"
    request = client.prepare(TRUE)
    assert client.submit(request).state == "pending"
    configured.decide("approved")
    assert client.wait(request.bound.id, 5).state == "approved"
    result = client.execute(request, client.release(request))
    client.report_result(request.bound.id, result)
    assert configured.commands[request.bound.id]["result"]["exit_code"] == 0


def test_async_client(configured: StandIn) -> None:
    configured.policy = "pending"
    configured.trouble = Once("/commands/", "drop")

    async def approve() -> None:
        await asyncio.sleep(0.3)
        configured.decide("approved")

    async def scenario() -> None:
        async with AsyncClient() as client:
            assert (await client.whoami()).identity.agent_name == "deploy-bot"
            spec = CommandSpec(argv=("echo", "hi"))
            result, _ = await asyncio.gather(client.run(spec, capture=True), approve())
            assert result.stdout == b"hi\n"

    asyncio.run(scenario())


def test_async_cancellation_cancels_the_request(configured: StandIn) -> None:
    configured.policy = "pending"

    async def scenario() -> None:
        async with AsyncClient() as client:
            task = asyncio.create_task(client.run(TRUE))
            await asyncio.to_thread(wait_until, lambda: "release" in configured.paths())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())
    assert configured.paths()[-1] == "cancel"


def test_patience_counts_attempts() -> None:
    assert within(5, attempts=1).attempts == 1


def wait_until(condition: Any, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
