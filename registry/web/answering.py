"""Answers to requests: a page as HTML or JSON, the weights of a version as a file, and errors as pages."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ratatouille.errors import RatatouilleError, Unavailable
from ratatouille.printable import printable_json
from ratatouille.record import Record, canonical_json
from registry.services.registry import Registry
from registry.web.page import BadQuery, NotThere, Page, Query, named_in_address
from registry.web.templating import environment

_log = logging.getLogger(__name__)

Make = Callable[[Registry, Query], Page]
Endpoint = Callable[[Request], Response]
MOST_AT_ONCE = 4
"""Fetches that may wait for a registry elsewhere at one time; the other threads stay free for pages."""
PARTS = ("featurizer", "head")


class FailurePage(Record):
    """An error, as JSON says it."""

    status: int
    error: str


def endpoint(registry: Registry, make: Make) -> Endpoint:
    """The handler of a page; it runs in a thread of its own."""

    def handle(request: Request) -> Response:
        json = wants_json(request)
        try:
            return _answer(request, make(registry, query_of(request)), json)
        except RatatouilleError as error:
            return failure(status_of(error), str(error), json)
        except Exception:
            _log.exception("the page %s failed", request.url.path[:200])
            return failure(500, "the page failed; the log of the registry says why", json)

    return handle


def query_of(request: Request) -> Query:
    """The parameters of a request."""
    given = request.query_params
    path = {name: str(value) for name, value in request.path_params.items()}
    return Query(path, {name: given.getlist(name) for name in given})


def status_of(error: RatatouilleError) -> int:
    """The status that goes with an error: of the question, of the registry, or of what it knows."""
    match error:
        case BadQuery():
            return 400
        case Unavailable():
            return 503
        case NotThere():
            return 404
        case _:
            return 422


def failure(status: int, sentence: str, json: bool = False) -> Response:
    """The page of an error."""
    view = FailurePage(status=status, error=sentence)
    title = HTTPStatus(status).phrase
    body = _html("failure.html.jinja", view=view, title=title) if not json else _json(view.model_dump())
    headers = {"cache-control": "no-store"} | ({"retry-after": "5"} if status == 503 else {})
    return Response(body, status, headers, media_type="application/json" if json else "text/html")


def wants_json(request: Request) -> bool:
    """Whether the address or the Accept header asks for JSON; browsers ask for HTML."""
    if "format" in request.query_params:
        return request.query_params["format"] == "json"
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _answer(request: Request, page: Page, json: bool) -> Response:
    if json:
        body, kind = _json(page.view.model_dump(mode="json")), "application/json"
    else:
        body, kind = _html(page.template, view=page.view, request=request, **page.drawn), "text/html"
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _json(value: object) -> bytes:
    return printable_json(canonical_json(value).decode()).encode()


def _html(template: str, **values: object) -> bytes:
    return environment().get_template(template).render(values).encode()


def download(registry: Registry) -> Callable[[Request], Response]:
    """The handler of `/versions/REV/PART.safetensors`."""
    slots = threading.BoundedSemaphore(MOST_AT_ONCE)

    def handle(request: Request) -> Response:
        if not slots.acquire(blocking=False):
            return failure(503, f"{MOST_AT_ONCE} downloads begin just now; try again in a moment")
        try:
            return _file(registry, request.path_params["revision"], request.path_params["part"])
        except RatatouilleError as error:
            return failure(status_of(error), str(error))
        finally:
            slots.release()

    return handle


def _file(registry: Registry, revision: str, part: str) -> Response:
    if part not in PARTS:
        raise NotThere(f"a version has {' and '.join(PARTS)}, and no part {part[:20]!r}")
    with named_in_address():
        entry = registry.versions.lineage(revision, depth=0)[0].entry
    digest = entry.version.featurizer if part == "featurizer" else entry.version.head
    if digest is None:
        raise NotThere(f"version {entry.id[:10]} is a featurizer alone; it has no head")
    return FileResponse(
        registry.weights.fetch(digest),
        media_type="application/octet-stream",
        filename=f"{entry.id[:10]}-{part}.safetensors",
        headers={"etag": f'"{digest}"', "cache-control": "no-cache"},
    )
