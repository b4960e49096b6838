"""The gate of the service's own page: where reading is for members, only those who have logged in read it.

`ratatouille web-login` opens a session and prints a link with its token. The link works once: its session is exchanged
for one that only the browser's cookie has. What holds for sessions holds here: they end after an hour, and at once when
their key is revoked. Without a login nothing is answered but the page's style, the way in, and the operators' pages.
"""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.caller import Caller
from registry.ledger.members.sessions import Sessions
from registry.web.guard import Explain

COOKIE = "ratatouille_session"
LOGIN = "/login/"
OPEN = (LOGIN, "/logout", "/static/", "/favicon.ico", "/health", "/ready", "/metrics")
"""Addresses that are answered to everybody; the figures of `/metrics` want a token of their own."""
WAY_IN = "`ratatouille web-login`, on a machine that has joined, prints a link that lets you in"


class MembersGate:
    """Middleware: refuses strangers where reading is for members."""

    def __init__(self, app: ASGIApp, sessions: Sessions, explain: Explain) -> None:
        self._app, self._sessions, self._explain = app, sessions, explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse, one request."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and not scope["path"].startswith(OPEN):
            caller = await run_in_threadpool(self._caller, Request(scope).cookies.get(COOKIE))
            if not caller.may("reader"):
                answer = self._explain(401, f"this history is for members, and you are not logged in; {WAY_IN}")
        await answer(scope, receive, send)

    def _caller(self, token: str | None) -> Caller:
        stranger = self._sessions.stranger()
        if stranger.may("reader") or token is None:
            return stranger
        return self._sessions.caller(token) or stranger


def routes(sessions: Sessions, explain: Explain) -> list[Route]:
    """The addresses that log in and out."""

    def login(request: Request) -> Response:
        session = sessions.exchange(request.path_params["token"]) if request.method == "GET" else None
        if session is None:
            return explain(401, f"this link was used, is too old, or its key was revoked; {WAY_IN}")
        entered = RedirectResponse("/", 303, {"cache-control": "no-store"})
        secure = request.headers.get("x-forwarded-proto") == "https"  # through the front door
        seconds = max(0, int(session.expires - time.time()))
        entered.set_cookie(COOKIE, session.token, seconds, secure=secure, httponly=True, samesite="lax")
        return entered

    def logout(request: Request) -> Response:
        if (token := request.cookies.get(COOKIE)) is not None:
            sessions.end(token)
        left = RedirectResponse("/", 303, {"cache-control": "no-store"})
        left.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return left

    return [Route(LOGIN + "{token}", login, methods=["GET"]), Route("/logout", logout, methods=["GET"])]
