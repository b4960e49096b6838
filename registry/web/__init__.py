"""The history as web pages: read-only, made on the server, for browsers, screen readers, phones and scripts.

A page is a function from the registry and the query to a view, a frozen record; the same view is answered as HTML,
by a template, or as JSON. Pages never see the database, so they work over `grpc://` too. The libraries that the pages
need may be absent: they are imported only when a page is opened.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.services.registry import Registry
    from registry.web.operating import Operating
    from registry.web.server import WebServer


NEEDED = ("jinja2", "starlette", "uvicorn")
PAGES = frozenset(
    {"best", "compare", "contributors", "favicon.ico", "live", "releases", "review", "rounds", "search", "static"}
    | {"login", "logout", "versions"}
)
"""The first parts of the pages' addresses, beside the history at `/`. A front door passes on these and no others."""
MISSING = "there is no web page: it needs `pip install 'model-ratatouille[web]'`"


def can_open_page() -> bool:
    """Whether the libraries of the page are installed."""
    return all(find_spec(name) is not None for name in NEEDED)


def open_page(registry: Registry, port: int, operating: Operating | None = None) -> WebServer:
    """Start the page on this port of loopback, or on a free one; `operating` has the pages for operators.

    Raises:
        Refusal: when no port can be had.
    """
    from registry.web.server import WebServer

    server = WebServer(registry, port, operating)
    server.start()
    return server
