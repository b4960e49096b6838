"""Connections of the web page: a request must come within seconds, and an answer must be taken as quickly.

Without this, a program that opens some hundred connections and sends a byte now and then keeps every reader out. A
browser sends a request at once, so of the connections that wait for one the oldest is closed when there are many.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from registry.web.guard import Explain

REQUEST_SECONDS = 10.0
"""Time for the head of a request, and for a part of an answer to be taken."""
MOST_WAITING = 128
"""Connections that may wait for a request, those that are kept alive too."""
MOST_AT_ONCE = 64
"""Requests that are answered at one time; more are told to come back."""


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


class Attendance:
    """Middleware: limits how many requests are answered at one time, and gives up answers that nobody reads."""

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
            await self._app(scope, receive, self._impatient(send))
        except TimeoutError:  # the reader does not read: there is nobody to tell
            return
        finally:
            self._running -= 1

    def _impatient(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            await asyncio.wait_for(send(message), self._seconds)

        return sending
