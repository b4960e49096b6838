"""The web server: the addresses of the pages, and a loopback port that answers them in a thread of its own."""

from __future__ import annotations

import socket
import threading
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ratatouille.errors import Refusal
from registry.services.registry import Registry
from registry.web import login
from registry.web.answering import Make, download, endpoint, failure, wants_json
from registry.web.guard import PageGuard, RequestLimit, limited_connections
from registry.web.pages import (
    best,
    comparison,
    contributors,
    credit,
    history,
    live,
    member,
    releases,
    review,
    search,
    version,
)
from registry.web.pages.live import Feed
from registry.web.templating import STATIC, static

if TYPE_CHECKING:
    from registry.web.operating import Operating

HOST = "127.0.0.1"
GRACE_SECONDS = 2
FOR_EVER = "public, max-age=31536000, immutable"


class WebServer:
    """A running server; `stop` ends it."""

    def __init__(self, registry: Registry, port: int, operating: Operating | None = None) -> None:
        """Listen on a port of loopback, or on a free one if that is taken or 0; `start` answers.

        Raises:
            Refusal: when no port can be had.
        """
        self._socket, self.wanted = _listen(port), port
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            application(registry, operating),
            loop="asyncio",
            http=limited_connections(),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    @property
    def address(self) -> str:
        """Where it is, for a browser on this machine."""
        return f"http://{HOST}:{self.port}/"

    @property
    def sentence(self) -> str:
        """Where it is, and why not elsewhere."""
        instead = f"; port {self.wanted} is taken" if self.wanted not in (0, self.port) else ""
        return f"web page at {self.address} (read-only, for this machine only{instead})"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Let running answers end, and close."""
        self._server.should_exit = True
        self._thread.join(2 * GRACE_SECONDS)
        self._socket.close()


def _listen(port: int) -> socket.socket:
    for one in dict.fromkeys((port, 0)):
        try:
            return socket.create_server((HOST, one))
        except OSError:
            continue
    raise Refusal("no port of 127.0.0.1 is free for the web page; leave it out with --no-web")


def application(registry: Registry, operating: Operating | None = None) -> Starlette:
    """The pages of a registry; with those for its operators where the service runs in this process."""
    feed = Feed(registry)
    pages: dict[str, Make] = {
        "/": history.page,
        "/rounds/{round}": partial(history.round_page, feed),
        "/versions/{revision}": version.page,
        "/versions/{revision}/credit": credit.page,
        "/releases": releases.page,
        "/review": review.page,
        "/best": best.page,
        "/compare": comparison.page,
        "/live": partial(live.page, feed),
        "/contributors": contributors.page,
        "/contributors/{key}": member.page,
        "/search": search.page,
    }
    routes = [Route(path, endpoint(registry, make), methods=["GET"]) for path, make in pages.items()]
    routes += [Route("/versions/{revision}/{part}.safetensors", download(registry), methods=["GET"])]
    routes += [Route("/static/{name}", _static, methods=["GET"])]
    routes += [Route("/favicon.ico", _icon, methods=["GET"])]
    gate: list[Middleware] = []
    if operating is not None:
        routes += [*operating.routes(), *login.routes(operating.sessions, failure)]
        gate = [Middleware(login.MembersGate, sessions=operating.sessions, explain=failure)]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(PageGuard, explain=failure),
            Middleware(RequestLimit, explain=failure),
            *gate,
            Middleware(GZipMiddleware, minimum_size=2000),
        ],
        exception_handlers={404: _unknown},
    )


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return failure(404, f"there is no file {name!r} here")
    return Response(static(name), headers={"cache-control": FOR_EVER}, media_type=STATIC[name])


def _icon(_: Request) -> Response:
    return Response(static("icon.svg"), headers={"cache-control": FOR_EVER}, media_type=STATIC["icon.svg"])


def _unknown(request: Request, _: Exception) -> Response:
    return failure(404, "there is no such page; the history is at the top of every page", wants_json(request))
