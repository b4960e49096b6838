"""The guard of Flower's HTTP services: which requests are answered, and for whom.

Flower listens on plain TCP, and its APIs for control and for running code check no identity. Any user of this
machine can connect, and any web page in a browser can send requests to loopback. So this guard wraps the ASGI
application inside of the process that listens. A request needs a Host header that names loopback and our port (a
foreign name means DNS rebinding), must not come from a page (no Origin), must be for a path that our programs
call, and, outside of the few open paths, must be signed with the secret (`ratatouille.processes.secret`). Everything
else is refused before its body is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from ratatouille.printable import printable
from ratatouille.processes.secret import HEADER, Secret, Verifier
from ratatouille.processes.throttle import Throttle

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_FORWARDED = b"x-forwarded-for"
_REFUSALS = (401, 403)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """The rules of a guard: what it lets through."""

    port: int
    """The port that the Host header must name."""
    open_paths: frozenset[tuple[str, str]] = frozenset({("GET", "/health")})
    """(method, path) that need no signature; paths are exact."""
    signed_prefixes: tuple[str, ...] = ()
    """Beginnings of the paths that are answered to signed POST requests. All other paths are refused."""
    open_bytes: int = 2**20
    """Longest body without a signature."""
    signed_bytes: int = 16 * 2**20
    header_bytes: int = 16 * 2**10
    body_seconds: float = 15.0
    """A body must be here within this time."""
    bodies: int = 64
    """So many bodies without a signature are read at one moment; `open_bytes` times this bounds our memory for them."""


class Refused(Exception):
    """A request that is not answered: HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def check_head(rules: Rules, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """See whether a request is one of ours, by its head alone.

    Returns:
        The signature that it brings; None for an open path, which needs none.

    Raises:
        Refused: for a foreign host, a web page, an unknown path or method, no signature, or a head that is too long.
    """
    found: dict[str, list[str]] = {}
    size = len(path)
    for name, value in headers:
        size += len(name) + len(value)
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    if size > rules.header_bytes:
        raise Refused(431, "the head of this request is too long")
    hosts = found.get("host", [])
    if len(hosts) != 1 or hosts[0].lower() not in {f"{name}:{rules.port}" for name in _NAMES}:
        raise Refused(421, "this service answers on this machine only, under its own address")
    if "origin" in found or found.get("sec-fetch-site", ["none"]) != ["none"]:
        raise Refused(403, "this service is not for web pages")
    if (method, path) in rules.open_paths:
        return None
    if method != "POST" or not path.startswith(rules.signed_prefixes or ("\0",)):
        raise Refused(404, "there is nothing here")
    signatures = found.get(HEADER, [])
    if len(signatures) != 1:
        raise Refused(401, "this service answers to its own user's programs only: the request is not signed")
    return signatures[0]


class Guard:
    """ASGI middleware around a whole application; what is refused gets a status and one line of text."""

    def __init__(self, app: Application, rules: Rules, secret: Secret) -> None:
        self._app = app
        self._rules = rules
        self._verifier = Verifier(secret)
        self._bodies = 0
        self._throttle = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse, one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            body = await self._checked_body(scope, receive)
        except Refused as refused:
            self._throttle.warn(_log, str(refused.status), f"refused a request ({refused.status}): {refused}")
            await _answer(send, refused)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), self._noting(scope, send))

    def _noting(self, scope: Scope, send: Send) -> Send:
        """The same, and a line in the log where the application itself refuses a request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and (status := int(message["status"])) in _REFUSALS:
                path, who = scope["path"], _forwarded_for(scope)
                self._throttle.warn(_log, f"{status} {path} {who}", f"{path}{who} was refused: status {status}")
            await send(message)

        return sending

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body of a request that may pass; None when the caller has hung up."""
        rules, method, path = self._rules, str(scope["method"]), str(scope["path"])
        signature = check_head(rules, method, path, scope["headers"])
        if signature is not None:
            digest = self._verifier.verified_digest(signature, method, path)
            if digest is None:
                raise Refused(401, "the signature of this request is not good")
            body = await _read(receive, rules.signed_bytes, rules.body_seconds)
            if body is not None and hashlib.sha256(body).hexdigest() != digest:
                raise Refused(401, "the body of this request is not the one that was signed")
            return body
        if self._bodies >= rules.bodies:
            raise Refused(503, "too many requests at one moment; try again")
        self._bodies += 1
        try:
            return await _read(receive, rules.open_bytes, rules.body_seconds)
        finally:
            self._bodies -= 1


async def _read(receive: Receive, limit: int, seconds: float) -> bytes | None:
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > limit:
                    raise Refused(413, f"a request of more than {limit} bytes is not taken")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {seconds:.0f} seconds") from None


def _forwarded_for(scope: Scope) -> str:
    """For whom a front door says that it passed a request on; nothing where it does not say."""
    said = [value for name, value in scope["headers"] if name == _FORWARDED]
    return f" for {printable(said[0].decode('latin-1')[:80])}" if len(said) == 1 else ""


def _replay(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body that was read, then what comes after it."""
    given = False

    async def replaying() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying


async def _answer(send: Send, refused: Refused) -> None:
    text = f"{refused}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
