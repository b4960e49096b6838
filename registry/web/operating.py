"""Pages for the programs of an operator: `/health`, `/ready`, and `/metrics` with figures for Prometheus.

`/health` answers while the process runs. `/ready` answers 200 while database and store can be used, and 503 with the
reason otherwise. `/metrics` answers requests with the token in `metrics.token`, a 0600 file in the registry's folder
that Prometheus reads by itself (`authorization: credentials_file`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ratatouille.errors import RatatouilleError
from ratatouille.folders import close_to_others, write_once
from registry.ledger.members.sessions import Sessions
from registry.transport.metrics import CONTENT_TYPE

TOKEN_FILE = "metrics.token"  # noqa: S105
_NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True)
class Operating:
    """The pages of one service, which runs in this process."""

    check: Callable[[], object]
    """Raises a refusal when database or store cannot be used."""
    figures: Callable[[], bytes]
    token: str
    """Requests with it may read the figures."""
    sessions: Sessions
    """Who may read the pages where reading is for members."""

    def routes(self) -> list[Route]:
        """The addresses."""
        pages: dict[str, Callable[[Request], Response]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._figures,
        }
        return [Route(path, page, methods=["GET"]) for path, page in pages.items()]

    def _health(self, _: Request) -> Response:
        return PlainTextResponse("alive\n", headers=_NO_STORE)

    def _ready(self, _: Request) -> Response:
        try:
            self.check()
        except RatatouilleError as error:
            return PlainTextResponse(f"not ready: {error}\n", 503, _NO_STORE)
        return PlainTextResponse("ready\n", headers=_NO_STORE)

    def _figures(self, request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.encode(), self.token.encode()):
            sentence = f"the figures are for maintainers: send the token in {TOKEN_FILE}, in the registry's folder\n"
            return PlainTextResponse(sentence, 401, _NO_STORE | {"www-authenticate": "Bearer"})
        return Response(self.figures(), headers=_NO_STORE, media_type=CONTENT_TYPE)


def metrics_token(folder: Path) -> str:
    """The token of a registry's figures, readable by its owner only."""
    path = folder / TOKEN_FILE
    if not path.exists():
        write_once(path, secrets.token_urlsafe(32).encode())
    close_to_others(path)
    return path.read_text(encoding="ascii").strip()
