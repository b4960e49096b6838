"""What the guard before Flower's services answers, by the head of a request and by its body."""

import asyncio
from typing import Any

import pytest

from ratatouille.processes.guard import Guard, Message, Receive, Refused, Rules, Scope, Send, check_head
from ratatouille.processes.secret import HEADER, Secret

OPEN, SIGNED = "/v1/fleet/pull-messages", "/v1/control/start-run"
RULES = Rules(
    9092,
    frozenset({("GET", "/health"), ("POST", OPEN)}),
    signed_prefixes=("/v1/control/",),
    open_bytes=100,
    signed_bytes=1000,
    body_seconds=0.05,
    bodies=2,
)
HOST = {"host": "127.0.0.1:9092"}


def head(method: str, path: str, headers: dict[str, str]) -> str | None:
    return check_head(RULES, method, path, [(name.encode(), value.encode()) for name, value in headers.items()])


@pytest.mark.parametrize("host", ["127.0.0.1:9092", "localhost:9092", "LocalHost:9092", "[::1]:9092"])
def test_a_request_under_a_name_of_loopback_passes(host: str) -> None:
    assert head("GET", "/health", {"host": host}) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:9092", "127.0.0.1", "127.0.0.1:9093", "localhost.evil.example:9092", "0:9092"],
)
def test_a_foreign_host_is_refused_everywhere(host: str) -> None:
    for method, path in [("GET", "/health"), ("POST", OPEN), ("POST", SIGNED), ("GET", "/docs")]:
        with pytest.raises(Refused) as caught:
            head(method, path, {"host": host})
        assert caught.value.status == 421


def test_two_host_headers_are_no_host() -> None:
    with pytest.raises(Refused):
        check_head(RULES, "GET", "/health", [(b"host", b"127.0.0.1:9092"), (b"Host", b"evil.example")])


@pytest.mark.parametrize(
    "more", [{"origin": "null"}, {"origin": "http://127.0.0.1:9092"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_web_page_is_refused_everywhere(more: dict[str, str]) -> None:
    for method, path in [("GET", "/health"), ("POST", OPEN), ("POST", SIGNED)]:
        with pytest.raises(Refused) as caught:
            head(method, path, HOST | more)
        assert caught.value.status == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", SIGNED),
        ("GET", OPEN),
        ("POST", "/health"),
        ("POST", OPEN + "/"),
        ("POST", OPEN.upper()),
        ("POST", "//v1/control/start-run"),
        ("POST", "/v1/responses"),
        ("OPTIONS", OPEN),
    ],
)
def test_everything_else_does_not_exist(method: str, path: str) -> None:
    with pytest.raises(Refused) as caught:
        head(method, path, HOST)
    assert caught.value.status == 404


def test_rules_without_signed_paths_have_none() -> None:
    with pytest.raises(Refused, match="nothing here"):
        check_head(Rules(9092), "POST", "", [(b"host", b"localhost:9092")])


def test_a_long_head_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        head("GET", "/health", HOST | {"x": "y" * 20_000})
    assert caught.value.status == 431


class Call:
    """One request to a guarded application that answers with the length of the body."""

    def __init__(self, guard: Guard, path: str, headers: dict[str, str], *pieces: bytes, ends: bool = True) -> None:
        self.status = 0
        self.answered = False
        self._guard = guard
        self._scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        last = len(pieces) - 1
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": not ends or number < last}
            for number, piece in enumerate(pieces)
        ]
        self.taken = 0

    async def run(self) -> "Call":
        await self._guard(self._scope, self._receive, self._send)
        return self

    async def _receive(self) -> Message:
        if not self._messages:
            await asyncio.sleep(60)
        self.taken += 1
        return self._messages.pop(0)

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


def guarded(secret: Secret) -> tuple[Guard, list[bytes]]:
    reached: list[bytes] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return Guard(application, RULES, secret), reached


def status(guard: Guard, path: str, headers: dict[str, str], *pieces: bytes, ends: bool = True) -> int:
    return asyncio.run(Call(guard, path, headers, *pieces, ends=ends).run()).status


def test_an_open_path_reaches_the_application_with_its_whole_body() -> None:
    guard, reached = guarded(Secret(b"key"))
    assert status(guard, OPEN, HOST, b"ab", b"", b"cd") == 200
    assert reached == [b"abcd"]


def test_a_signed_request_reaches_the_application_and_a_changed_or_repeated_one_does_not() -> None:
    secret = Secret(b"key")
    guard, reached = guarded(secret)
    signed = {HEADER: secret.sign("POST", SIGNED, b"start")}
    assert status(guard, SIGNED, HOST | signed, b"sta", b"rt") == 200
    assert status(guard, SIGNED, HOST | signed, b"start") == 401
    assert status(guard, SIGNED, HOST | {HEADER: secret.sign("POST", SIGNED, b"start")}, b"other") == 401
    assert status(guard, SIGNED, HOST | {HEADER: "1 2 3 4"}, b"start") == 401
    assert status(guard, SIGNED, HOST, b"start") == 401
    assert reached == [b"start"]


def test_nothing_is_read_of_a_body_that_nobody_signed() -> None:
    guard, _ = guarded(Secret(b"key"))
    call = asyncio.run(Call(guard, SIGNED, HOST, b"x").run())
    assert (call.status, call.taken) == (401, 0)


def test_long_and_slow_bodies_are_refused() -> None:
    secret = Secret(b"key")
    guard, reached = guarded(secret)
    assert status(guard, OPEN, HOST, b"x" * 60, b"x" * 60, ends=False) == 413
    signed = {HEADER: secret.sign("POST", SIGNED, b"x" * 1001)}
    assert status(guard, SIGNED, HOST | signed, b"x" * 1001) == 413
    assert status(guard, OPEN, HOST, b"x", ends=False) == 408
    assert reached == []


def test_only_so_many_bodies_of_strangers_are_read_at_one_moment() -> None:
    guard, _ = guarded(Secret(b"key"))

    async def many() -> list[int]:
        calls = [Call(guard, OPEN, HOST, b"x", ends=False) for _ in range(5)]
        return sorted(call.status for call in await asyncio.gather(*(call.run() for call in calls)))

    assert asyncio.run(many()) == [408, 408, 503, 503, 503]
    assert status(guard, OPEN, HOST, b"x") == 200


def test_a_caller_that_hangs_up_reaches_nothing() -> None:
    guard, reached = guarded(Secret(b"key"))
    call = Call(guard, OPEN, HOST)
    call._messages = [{"type": "http.disconnect"}]
    assert asyncio.run(call.run()).status == 0
    assert reached == []


def test_a_web_socket_is_closed() -> None:
    guard, reached = guarded(Secret(b"key"))
    sent: list[Message] = []

    async def connect() -> None:
        async def send(message: Message) -> None:
            sent.append(message)

        await guard({"type": "websocket", "path": "/", "headers": []}, lambda: asyncio.sleep(0, {}), send)

    asyncio.run(connect())
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert reached == []
