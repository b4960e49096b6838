"""The guard of every page: the hosts, methods and lengths that are answered, the headers, and limits on connections.

The page listens on loopback, where any web site that the reader visits could send the browser. A site that lets its own
name point here (DNS rebinding) is found out by its Host header, a request of a foreign page by its Origin; everything
else is closed by the headers.

A request must come within seconds, and an answer must be taken as quickly. Without this, a program that opens some
hundred connections and sends a byte now and then keeps every reader out. A browser sends a request at once, so of the
connections that wait for one the oldest is closed when there are many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
LONGEST_QUERY = 4000
LONGEST_PATH = 1000

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

Explain = Callable[[int, str], Response]
"""Makes the page of an error: status and one sentence."""
REQUEST_SECONDS = 10.0
"""Time for the head of a request, and for a part of an answer to be taken."""
MOST_WAITING = 128
"""Connections that may wait for a request, those that are kept alive too."""
MOST_AT_ONCE = 64
"""Requests that are answered at one time; others get status 503, and may come again."""


class PageGuard:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, explain: Explain) -> None:
        self._app = app
        self._explain = explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse, one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = refusal or self._app
        await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        host = Headers(scope=scope).get("host", "")
        if host_name(host) not in HOSTS:
            return self._explain(421, "this page answers on this machine only; open it as http://localhost:PORT")
        origin = Headers(scope=scope).get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return self._explain(403, "this page is for its own reader, not for other web sites")
        if scope["method"] not in ("GET", "HEAD"):
            refused = self._explain(405, "this page is for reading; the command line and gRPC change things")
            refused.headers["allow"] = "GET, HEAD"
            return refused
        if len(scope["query_string"]) > LONGEST_QUERY or len(scope["path"]) > LONGEST_PATH:
            return self._explain(414, "the address is too long; open the page anew and ask for less at once")
        return None


def host_name(host: str) -> str:
    """A Host header without its port; ports may differ, since people forward them."""
    name, colon, port = host.rpartition(":")
    if colon and (not port or (port.isascii() and port.isdigit())):
        host = name
    return host.lower().rstrip(".")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending


def limited_connections(seconds: float = REQUEST_SECONDS, most: int = MOST_WAITING) -> type[H11Protocol]:
    """The protocol of one server: its connections know each other."""
    waiting: dict[LimitedConnection, asyncio.TimerHandle] = {}

    class OfThisServer(LimitedConnection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.waiting, self.seconds, self.most = waiting, seconds, most

    return OfThisServer


class LimitedConnection(H11Protocol):
    """An HTTP connection that is closed when no complete head of a request comes in time."""

    waiting: dict[LimitedConnection, asyncio.TimerHandle]
    """Those of the same server that wait for a request, the oldest first."""
    seconds: float
    most: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Some bytes came; only a complete head ends the waiting."""
        super().data_received(data)
        if self._answers():
            self._wait_no_more()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self._answers():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._wait_no_more()
        self.waiting[self] = self.loop.call_later(self.seconds, self._give_up)
        if len(self.waiting) > self.most:
            next(iter(self.waiting))._give_up()

    def _wait_no_more(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._wait_no_more()
        self.transport.abort()


class RequestLimit:
    """Middleware: limits how many requests are answered at one time, and ends answers that are not read."""

    def __init__(
        self, app: ASGIApp, explain: Explain, most: int = MOST_AT_ONCE, seconds: float = REQUEST_SECONDS
    ) -> None:
        self._app = app
        self._explain = explain
        self._most = most
        self._seconds = seconds
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say that there are too many."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._running >= self._most:
            busy: Response = self._explain(503, f"{self._most} requests are answered just now; try again in a moment")
            await busy(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, self._with_timeout(send))
        except TimeoutError:  # the reader does not read, so no answer would reach it
            return
        finally:
            self._running -= 1

    def _with_timeout(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            await asyncio.wait_for(send(message), self._seconds)

        return sending
