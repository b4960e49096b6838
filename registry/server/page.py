"""Opens the web page beside a service; what it needs may be absent, and is imported only when it is wanted."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from registry.services.registry import Registry

if TYPE_CHECKING:
    from registry.web.server import WebServer

NEEDED = ("jinja2", "starlette", "uvicorn")
MISSING = "there is no web page: it needs `pip install 'model-ratatouille[web]'`"


def can_open_page() -> bool:
    """Whether what the page needs is installed."""
    return all(find_spec(name) is not None for name in NEEDED)


def open_page(registry: Registry, port: int) -> WebServer:
    """Start the page on this port of loopback, or on a free one.

    Raises:
        Refusal: when no port can be had.
    """
    from registry.web.server import WebServer

    server = WebServer(registry, port)
    server.start()
    return server
