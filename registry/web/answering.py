"""From a page to an answer: HTML or JSON, unchanged ones in no bytes at all, and errors as pages with one sentence."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ratatouille.errors import RatatouilleError, Unavailable
from ratatouille.printable import printable_json
from ratatouille.record import Record, canonical_json
from registry.services.registry import Registry
from registry.web.asked import Asked, BadQuestion, NotThere
from registry.web.page import Page
from registry.web.templating import environment

_log = logging.getLogger(__name__)

Make = Callable[[Registry, Asked], Page]
Endpoint = Callable[[Request], Response]


class Failure(Record):
    """An error, as JSON says it."""

    status: int
    error: str


def endpoint(registry: Registry, make: Make) -> Endpoint:
    """The handler of a page; it runs in a thread of its own."""

    def handle(request: Request) -> Response:
        json = wants_json(request)
        try:
            return _answer(request, make(registry, asked(request)), json)
        except RatatouilleError as error:
            return failure(status_of(error), str(error), json)
        except Exception:
            _log.exception("the page %s failed", request.url.path[:200])
            return failure(500, "the page failed; the log of the registry says why", json)

    return handle


def asked(request: Request) -> Asked:
    """What a request asks."""
    query = request.query_params
    return Asked(
        {name: str(value) for name, value in request.path_params.items()},
        dict(query),
        {name: query.getlist(name) for name in query},
    )


def status_of(error: RatatouilleError) -> int:
    """The status that goes with an error: of the question, of the registry, or of what it knows."""
    match error:
        case BadQuestion():
            return 400
        case Unavailable():
            return 503
        case NotThere():
            return 404
        case _:
            return 422


def failure(status: int, sentence: str, json: bool = False) -> Response:
    """The page of an error."""
    view = Failure(status=status, error=sentence)
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
