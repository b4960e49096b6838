"""The registry over gRPC: `registry.port.Registry` for `grpc://host:port`.

Methods without weights are made from the port's own signatures (`wire`). `fetch` streams into a bounded cache and goes
on where it stopped; `push` is one conversation whose last reply is the acknowledgement. Imports neither database nor
migrations: reading must start fast.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import grpc

from ratatouille.errors import Misconfigured, Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.signing import Sealed
from ratatouille.proxies import is_loopback
from registry.blobs.cache import Cache
from registry.blobs.sending import open_to_send
from registry.blobs.store import Block
from registry.port import Progress, Registry
from registry.proto.registry_pb2 import (
    Begin,
    CallReply,
    CallRequest,
    FetchReply,
    FetchRequest,
    Needed,
    PushReply,
    PushRequest,
    WatchReply,
    WatchRequest,
)
from registry.records import Event, Result
from registry.service.ahead import ahead
from registry.service.idle import Idle
from registry.service.messages import Piece, read_reply, write_request
from registry.service.wire import BEAT_SECONDS, CHANNEL_OPTIONS, MESSAGE_BYTES, METHODS, OURS, SERVICE, SOFTWARE, Method

DEADLINE_SECONDS = 60.0
IDLE_SECONDS = 900.0
"""A transfer without a message for so long is ended, and goes on another time. Long, because a registry is silent while
it hashes what came earlier or stores what has come; a line that is dead is noticed sooner, by pings."""
LARGEST_NUMBER = 2**63 - 1
Replies = Iterator[FetchReply | Block]
LONG_DEADLINES = dict.fromkeys(("combine", "retract", "collect", "verify", "audit", "diff"), 4 * 3600.0)


class RemoteRegistry:
    """A connection to a registry's service; the port's other methods are added below."""

    def __init__(self, url: str, cache: Cache) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            Refusal: for an address without host and port.
        """
        parts = urlsplit(url)
        try:
            complete = parts.scheme == "grpc" and parts.hostname and parts.port and parts.path in ("", "/")
        except ValueError:
            complete = False
        if not complete:
            raise Refusal(f"{url!r} is no address of a registry; write grpc://host:port")
        self._url = url
        self._cache = cache
        # gRPC looks at several variables for what goes without a proxy, and some of them hide others.
        straight = [("grpc.enable_http_proxy", 0)] if is_loopback(parts.hostname or "") else []
        self._channel = grpc.insecure_channel(parts.netloc, options=[*CHANNEL_OPTIONS, *straight])
        self._call = self._channel.unary_unary(f"/{SERVICE}/Call", CallRequest.SerializeToString, CallReply.FromString)
        self._fetch = self._channel.unary_stream(f"/{SERVICE}/Fetch", FetchRequest.SerializeToString, read_reply)
        self._push = self._channel.stream_stream(f"/{SERVICE}/Push", write_request, PushReply.FromString)
        self._watch = self._channel.unary_stream(
            f"/{SERVICE}/Watch", WatchRequest.SerializeToString, WatchReply.FromString
        )

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def fetch(self, digest: str, progress: Progress | None = None) -> Path:
        """A cached file with these weights; what is missing of it is fetched."""
        return self._cache.fetch(digest, partial(self._arriving, digest), "the registry", progress)

    def push(self, sealed: Sealed, files: Mapping[str, Path], progress: Progress | None = None) -> Result:
        """Commit a signed receipt with the files of the weights it made."""
        begin = PushRequest(begin=Begin(protocol=PROTOCOL, sealed=sealed.to_json()))
        with ExitStack() as stack:
            upload = _Upload(begin, progress)
            stack.callback(upload.needed.put, None)  # lets the sending thread end, whatever happens
            stack.enter_context(self._statuses("push"))
            call = self._push(iter(upload))
            stack.callback(call.cancel)
            upload.heard = stack.enter_context(Idle(IDLE_SECONDS, call.cancel)).heard
            for reply in call:
                upload.heard()
                if reply.WhichOneof("step") == "result":
                    return Result.from_json(reply.result)
                upload.needed.put(_open_all(reply.needed, files, stack))
            raise Unreachable("the registry ended the conversation without an acknowledgement; push again")

    def results(self, work_ids: Sequence[str]) -> dict[str, Result]:
        """The answers to those that have one; asked for in halves where all together are too large for a message."""
        method = METHODS["results"]
        try:
            return cast(dict[str, Result], self._ask(method, method.encode(work_ids)))
        except _TooLarge:
            middle = len(work_ids) // 2
            if not middle:
                raise
            return self.results(work_ids[:middle]) | self.results(work_ids[middle:])

    def watch(self, after: int | None = None, round: str | None = None, kinds: Sequence[str] = ()) -> Iterator[Event]:
        """Lines of the log as they happen."""
        known = None if after is None else min(max(0, after), LARGEST_NUMBER)
        request = WatchRequest(protocol=PROTOCOL, after=known, round=round, kinds=kinds)
        with self._statuses("watch"):
            call = self._watch(request)
            try:
                with Idle(4 * BEAT_SECONDS, call.cancel) as idle:
                    for reply in call:
                        if reply.WhichOneof("step") == "event":
                            idle.away()
                            yield Event.from_json(reply.event)
                        idle.heard()
            finally:
                call.cancel()  # type: ignore[no-untyped-call]

    @contextmanager
    def _arriving(self, digest: str, offset: int) -> Iterator[tuple[int, Iterator[Block]]]:
        with self._statuses("fetch"):
            call = self._fetch(FetchRequest(protocol=PROTOCOL, digest=digest, offset=offset))
            try:
                with Idle(IDLE_SECONDS, call.cancel) as idle, ahead(cast(Replies, call)) as replies:
                    first = next(replies, None)
                    yield first.size if isinstance(first, FetchReply) else 0, _data(replies, idle)
            finally:
                call.cancel()  # type: ignore[no-untyped-call]

    def _ask(self, method: Method, arguments: bytes) -> Any:
        request = CallRequest(protocol=PROTOCOL, method=method.name, json=arguments, software=SOFTWARE)
        with self._statuses(method.name):
            reply = self._call(request, timeout=LONG_DEADLINES.get(method.name, DEADLINE_SECONDS))
        return method.result(reply.json)

    @contextmanager
    def _statuses(self, what: str) -> Iterator[None]:
        """Turn statuses back into refusals."""
        try:
            yield
        except grpc.RpcError as error:
            raise _refusal(cast(grpc.Call, error), self._url, what) from error


def _method(method: Method) -> Callable[..., Any]:
    def ask(self: RemoteRegistry, *arguments: object, **named: object) -> Any:
        return self._ask(method, method.encode(*arguments, **named))

    ask.__name__ = ask.__qualname__ = method.name
    ask.__doc__ = getattr(Registry, method.name).__doc__
    return ask


for _name, _one in METHODS.items():
    if _name not in vars(RemoteRegistry):
        setattr(RemoteRegistry, _name, _method(_one))


def open_remote(url: str, cache: Path, cache_bytes: int) -> Registry:
    """A registry over gRPC, with a cache folder."""
    return cast(Registry, RemoteRegistry(url, Cache(cache, cache_bytes)))


class _TooLarge(Refusal):
    """An answer that does not fit one message."""


class _Upload:
    """The sending side of a push: an iterator that gRPC reads in a thread of its own."""

    def __init__(self, begin: PushRequest, progress: Progress | None) -> None:
        self.needed: queue.SimpleQueue[list[tuple[str, int, int, BinaryIO]] | None] = queue.SimpleQueue()
        self.heard: Callable[[], object] = lambda: None
        """Is called whenever the other side took something."""
        self._begin = begin
        self._progress = progress

    def __iter__(self) -> Iterator[PushRequest | Piece]:
        yield self._begin
        files = self.needed.get() or []
        done = sum(offset for _, _, offset, _ in files)
        total = sum(size for _, size, _, _ in files)
        for digest, _, offset, file in files:
            while block := file.read(MESSAGE_BYTES):
                yield Piece(digest, offset, block)
                self.heard()
                offset += len(block)
                done += len(block)
                if self._progress is not None:
                    self._progress(done, total)


def _data(replies: Replies, idle: Idle) -> Iterator[Block]:
    for reply in replies:
        idle.heard()
        yield reply.data if isinstance(reply, FetchReply) else reply


def _open_all(needed: Needed, files: Mapping[str, Path], stack: ExitStack) -> list[tuple[str, int, int, BinaryIO]]:
    return [
        (file.digest, file.size, file.offset, stack.enter_context(open_to_send(file.digest, files, file.offset)))
        for file in needed.files
    ]


def _refusal(error: grpc.Call, url: str, what: str) -> Refusal:
    code, sentence = error.code(), error.details() or ""
    if OURS in tuple(error.trailing_metadata() or ()):
        if code == grpc.StatusCode.ABORTED:
            return Misconfigured(sentence)
        again = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
        return Unreachable(sentence) if again else Refusal(sentence)
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return Unreachable(f"no registry answers at {url}; start it, or name another with --remote")
        case grpc.StatusCode.CANCELLED:
            return Unreachable(f"{what} was ended by the registry at {url}, or was silent for too long; try again")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Unreachable(f"the registry at {url} did not answer {what} in time; try again")
        case grpc.StatusCode.UNIMPLEMENTED:
            return Refusal(f"what answers at {url} is no registry of this kind; check the address")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return _TooLarge(f"{what} is too large for one message to {url}: {sentence}")
        case _:
            return Unreachable(f"the connection to {url} broke during {what} ({code.name.lower()}); try again")
