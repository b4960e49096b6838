"""The guard of every page: the hosts, methods and lengths that are answered, and the headers of every answer.

The page listens on loopback, where any web site that the reader visits could send the browser. A site that lets its own
name point here (DNS rebinding) is found out by its Host header, a request of a foreign page by its Origin; everything
else is closed by the headers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Guard:
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
