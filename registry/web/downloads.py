"""The weights of a version, streamed from where they are stored: a part's canonical file, by the version's name."""

from __future__ import annotations

import threading
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ratatouille.errors import RatatouilleError, Refusal
from registry.services.registry import Registry
from registry.web.answering import failure, status_of
from registry.web.asked import NotThere

MOST_AT_ONCE = 4
"""Fetches that may wait for a registry elsewhere at one time; the other threads stay free for pages."""
PARTS = ("featurizer", "head")


def download(registry: Registry) -> Callable[[Request], Response]:
    """The handler of `/versions/REV/PART.safetensors`."""
    turns = threading.BoundedSemaphore(MOST_AT_ONCE)

    def handle(request: Request) -> Response:
        if not turns.acquire(blocking=False):
            return failure(503, f"{MOST_AT_ONCE} downloads begin just now; try again in a moment")
        try:
            return _file(registry, request.path_params["revision"], request.path_params["part"])
        except RatatouilleError as error:
            return failure(status_of(error), str(error))
        finally:
            turns.release()

    return handle


def _file(registry: Registry, revision: str, part: str) -> Response:
    if part not in PARTS:
        raise NotThere(f"a version has {' and '.join(PARTS)}, and no part {part[:20]!r}")
    try:
        entry = registry.versions.lineage(revision, depth=0)[0].entry
    except Refusal as refusal:
        raise NotThere(str(refusal)) from refusal
    digest = entry.version.featurizer if part == "featurizer" else entry.version.head
    if digest is None:
        raise NotThere(f"version {entry.id[:10]} is a featurizer alone; it has no head")
    return FileResponse(
        registry.weights.fetch(digest),
        media_type="application/octet-stream",
        filename=f"{entry.id[:10]}-{part}.safetensors",
        headers={"etag": f'"{digest}"', "cache-control": "no-cache"},
    )
