"""HTTP by httpx: one request, one bounded answer, and the loops that drive operations."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import httpx

from expacti_agent.errors import InsecureServerError, ProtocolError
from expacti_agent.protocol import ConnectionLostError, Pause, Reply, T
from expacti_agent.settings import check_url, is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from expacti_agent.protocol import Operation, Send, Step

MAX_ANSWER = 4 * 1024 * 1024
CONNECT_S = 10.0
USER_AGENT = "expacti-agent/0.1"


class Transport:
    """Blocking. The token goes into a header, to the configured origin and nowhere else."""

    def __init__(self, url: str, token: str) -> None:
        self._token = token
        self._http = httpx.Client(**_options(url))

    def drive(self, operation: Operation[T]) -> T:
        """Run an operation to its end and return its value, or raise its error."""
        try:
            step: Step = next(operation)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = operation.send(None)
                    continue
                try:
                    reply = self._send(step)
                except ConnectionLostError as lost:
                    step = operation.throw(lost)
                else:
                    step = operation.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, send: Send) -> Reply:
        until = time.monotonic() + send.timeout_s
        body = bytearray()
        try:
            with self._http.stream(**_arguments(send, self._token)) as response:
                for chunk in response.iter_bytes():
                    _collect(body, chunk, until)
                return _reply(response, body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            _translate(error)


class AsyncTransport:
    """The same for asyncio."""

    def __init__(self, url: str, token: str) -> None:
        self._token = token
        self._http = httpx.AsyncClient(**_options(url))

    async def drive(self, operation: Operation[T]) -> T:
        """Run an operation to its end and return its value, or raise its error."""
        try:
            step: Step = next(operation)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = operation.send(None)
                    continue
                try:
                    reply = await self._send(step)
                except ConnectionLostError as lost:
                    step = operation.throw(lost)
                else:
                    step = operation.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, send: Send) -> Reply:
        until = time.monotonic() + send.timeout_s
        body = bytearray()
        try:
            async with self._http.stream(**_arguments(send, self._token)) as response:
                async for chunk in response.aiter_bytes():
                    _collect(body, chunk, until)
                return _reply(response, body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            _translate(error)


def _options(url: str) -> dict[str, Any]:
    origin = check_url(url)
    local = is_loopback(urlsplit(origin).hostname or "")
    return {
        "base_url": origin,
        "follow_redirects": False,
        "headers": {"User-Agent": USER_AGENT, "Accept": "application/json"},
        # Through a proxy, plain HTTP to loopback would show the token to that proxy.
        "trust_env": not local,
        # Plain HTTP needs no certificates, and a context that trusts none loads faster.
        "verify": True if origin.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    }


def _arguments(send: Send, token: str) -> dict[str, Any]:
    headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if send.authenticated else {}
    return {
        "method": send.method,
        "url": send.path,
        "json": send.body,
        "params": send.params or None,
        "headers": headers,
        "timeout": httpx.Timeout(send.timeout_s, connect=min(CONNECT_S, send.timeout_s)),
    }


def _collect(body: bytearray, chunk: bytes, until: float) -> None:
    body += chunk
    if len(body) > MAX_ANSWER:
        raise ProtocolError("the answer is too large")
    if time.monotonic() > until:
        raise ConnectionLostError("timed out")


def _reply(response: httpx.Response, body: bytearray) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, bytes(body))


def _translate(error: Exception) -> NoReturn:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise InsecureServerError(
                f"the server's certificate is not trusted: {cause.verify_message}",
                remedy="For a private authority, set SSL_CERT_FILE to its certificate.",
            ) from None
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        raise ConnectionLostError("timed out") from None
    raise ConnectionLostError(str(error) or type(error).__name__) from None
