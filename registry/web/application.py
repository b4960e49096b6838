"""The web application: which address is which page, and what stands before them all."""

from __future__ import annotations

from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from registry.services.registry import Registry
from registry.web.answering import Make, endpoint, failure, wants_json
from registry.web.connections import Attendance
from registry.web.downloads import download
from registry.web.feed import Feed
from registry.web.guard import Guard
from registry.web.pages import best, comparison, contributors, history, live, releases, round, search, version
from registry.web.templating import STATIC, static

FOR_EVER = "public, max-age=31536000, immutable"


def application(registry: Registry) -> Starlette:
    """The pages of a registry."""
    feed = Feed(registry)
    pages: dict[str, Make] = {
        "/": history.page,
        "/rounds/{round}": partial(round.page, feed),
        "/versions/{revision}": version.page,
        "/releases": releases.page,
        "/best": best.page,
        "/compare": comparison.page,
        "/live": partial(live.page, feed),
        "/contributors": contributors.page,
        "/search": search.page,
    }
    routes = [Route(path, endpoint(registry, make), methods=["GET"]) for path, make in pages.items()]
    routes += [Route("/versions/{revision}/{part}.safetensors", download(registry), methods=["GET"])]
    routes += [Route("/static/{name}", _static, methods=["GET"])]
    routes += [Route("/favicon.ico", _icon, methods=["GET"])]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Guard, explain=failure),
            Middleware(Attendance, explain=failure),
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
