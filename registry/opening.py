"""`registry.open(url)`: the services of a registry, for a folder (in process) or for an address (`grpcs://host:port`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ratatouille.addresses import FORMS
from ratatouille.errors import Refusal
from ratatouille.folders import expanded
from ratatouille.home import home

if TYPE_CHECKING:
    from ratatouille.outbox import Outbox
    from registry.services.registry import Registry

CACHE_BYTES = 20 * 2**30


def open_registry(
    url: str | Path, cache: Path | None = None, cache_bytes: int = CACHE_BYTES, outbox: Outbox | None = None
) -> Registry:
    """Open a registry.

    Args:
        url: `grpcs://host:port`, `grpc://host:port`, a folder, or `file:` and a folder; a folder that does not exist
            is made.
        cache: where fetched weights are kept (remote registries only); by default `cache` in the person's home folder.
        cache_bytes: how large the cache may grow.
        outbox: where everything is logged that is sent (remote registries only); a node has one.

    Raises:
        Refusal: for any other address, or a folder that cannot be used.
    """
    # each branch imports what it needs: reading a remote registry must not wait for SQLAlchemy
    text = str(url)
    parts = urlsplit(text)
    if parts.scheme in ("grpc", "grpcs"):
        from registry.transport.client import open_remote

        return open_remote(text, cache or home() / "cache", cache_bytes, outbox)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        text = unquote(parts.path)
    elif "://" in text or not text:
        raise Refusal(f"{text!r} is no registry; use {FORMS}, or a folder")
    from registry.services.local import LocalRegistry

    return LocalRegistry(expanded(text))
