"""The client of a registry over gRPC: `registry.services.registry.Registry` for `grpcs://host:port`.

A client has the type of its service, and its methods are made from the service's signatures (`wire`). `fetch` streams
into a bounded cache and goes on where it stopped; `push` is one conversation whose last reply is the acknowledgement.
Imports neither database nor migrations: reading must start fast.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.signing import Sealed
from ratatouille.outbox import Outbox
from registry.blobs.cache import Cache
from registry.blobs.disk import open_to_send
from registry.blobs.store import Block
from registry.owner_key import literal
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
from registry.records import BEAT_SECONDS, Event, Info, Result
from registry.services.method import Service, ServiceMethod
from registry.services.registry import SERVICES, Registry
from registry.services.rounds import Rounds
from registry.services.weights import Progress, Weights
from registry.services.work import Work
from registry.transport.channel import open_channel
from registry.transport.credentials import LazySession, Metadata
from registry.transport.logged_channel import LoggedChannel
from registry.transport.messages import Piece, ahead, read_reply, write_request
from registry.transport.roots import Roots
from registry.transport.statuses import TooLarge, errors
from registry.transport.stream_limits import Idle
from registry.transport.wire import CALLS, CHANNEL_OPTIONS, MESSAGE_BYTES, SOFTWARE, Call

IDLE_SECONDS = 900.0
"""A transfer without a message for so long is ended, and goes on another time. Long, because a registry is silent while
it hashes what came earlier or stores what has come; a line that is dead is noticed sooner, by pings."""
LARGEST_NUMBER = 2**63 - 1
Replies = Iterator[FetchReply | Block]


class Connection:
    """A connection to a registry's service."""

    def __init__(self, url: str, outbox: Outbox | None = None, roots: Roots | None = None) -> None:
        """Prepare it; what is sent is logged in the outbox, if there is one. `roots` are believed, if there are some.

        Raises:
            Refusal: as `open_channel`.
        """
        self.errors = partial(errors, url)
        """Turns statuses back into refusals."""
        channel = open_channel(literal(url), CHANNEL_OPTIONS, roots)
        self._channel: Any = channel if outbox is None else LoggedChannel(channel, outbox)
        self._calls = {
            call.name: self._channel.unary_unary(call.path, CallRequest.SerializeToString, CallReply.FromString)
            for call in CALLS.values()
            if not call.method.declaration.stream
        }
        self.fetch = self._channel.unary_stream(CALLS["fetch"].path, FetchRequest.SerializeToString, read_reply)
        self.push = self._channel.stream_stream(CALLS["push"].path, write_request, PushReply.FromString)
        self.watch = self._channel.unary_stream(
            CALLS["watch"].path, WatchRequest.SerializeToString, WatchReply.FromString
        )

        session = LazySession(url, partial(self.ask, CALLS["challenge"]), partial(self.ask, CALLS["open_session"]))
        self.authorized = session.authorized
        """Attempts a call with what shows who calls."""
        self.sent = self.received = 0  # bytes of weights, by all streams

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def ask(self, call: Call, *arguments: object, **named: object) -> Any:
        """Call a method that is no stream."""
        request = CallRequest(protocol=PROTOCOL, json=call.encode(*arguments, **named), software=SOFTWARE)

        def attempt(metadata: Metadata) -> CallReply:
            reply: CallReply = self._calls[call.name](request, timeout=call.deadline, metadata=metadata)
            return reply

        needed = call.method.declaration.role
        with self.errors(call.name):  # `anyone` may call what opens a session
            reply = attempt(()) if needed == "anyone" else self.authorized(needed, attempt)
        return call.result(reply.json)


class _Client:
    """The base of the clients of services."""

    def __init__(self, connection: Connection, cache: Cache) -> None:
        self._connection, self._cache = connection, cache


class _Weights(_Client):
    """The streams of `Weights`."""

    def fetch(self, digest: str, progress: Progress | None = None) -> Path:
        """A cached file with these weights; what is missing of it is fetched."""
        return self._cache.fetch(digest, partial(self._arriving, digest), "the registry", progress)

    def push(self, sealed: Sealed, files: Mapping[str, Path], progress: Progress | None = None) -> Result:
        """Commit a signed receipt with the files of the weights it made."""
        with self._connection.errors("push"):
            return self._connection.authorized("contributor", partial(self._push, sealed, files, progress))

    def _push(self, sealed: Sealed, files: Mapping[str, Path], progress: Progress | None, metadata: Metadata) -> Result:
        begin = PushRequest(begin=Begin(protocol=PROTOCOL, sealed=sealed.to_json()))
        with ExitStack() as stack:
            upload = _Upload(self._connection, begin, progress)
            stack.callback(upload.needed.put, None)  # lets the sending thread end, whatever happens
            call = self._connection.push(iter(upload), metadata=metadata)
            stack.callback(call.cancel)
            upload.heard = stack.enter_context(Idle(IDLE_SECONDS, call.cancel)).heard
            for reply in call:
                upload.heard()
                if reply.WhichOneof("step") == "result":
                    return Result.from_json(reply.result)
                upload.needed.put(_open_all(reply.needed, files, stack))
            raise Unreachable("the registry ended the conversation without an acknowledgement; push again")

    @contextmanager
    def _arriving(self, digest: str, offset: int) -> Iterator[tuple[int, Iterator[Block]]]:
        request = FetchRequest(protocol=PROTOCOL, digest=digest, offset=offset)
        with self._connection.errors("fetch"), ExitStack() as stack:

            def begin(metadata: Metadata) -> tuple[FetchReply | Block | None, Replies, Idle]:
                call = self._connection.fetch(request, metadata=metadata)
                stack.callback(call.cancel)
                idle = stack.enter_context(Idle(IDLE_SECONDS, call.cancel))
                replies = stack.enter_context(ahead(cast(Replies, call)))
                return next(replies, None), replies, idle

            first, replies, idle = self._connection.authorized("reader", begin)
            yield first.size if isinstance(first, FetchReply) else 0, self._data(replies, idle)

    def _data(self, replies: Replies, idle: Idle) -> Iterator[Block]:
        for reply in replies:
            idle.heard()
            block = reply.data if isinstance(reply, FetchReply) else reply
            self._connection.received += len(block)
            yield block


class _Work(_Client):
    """The method of `Work` whose answer may not fit one message."""

    def results(self, work_ids: Sequence[str]) -> dict[str, Result]:
        """The answers to those that have one; asked for in halves where all together are too large for a message."""
        try:
            return cast(dict[str, Result], self._connection.ask(CALLS["results"], work_ids))
        except TooLarge:
            middle = len(work_ids) // 2
            if not middle:
                raise
            return self.results(work_ids[:middle]) | self.results(work_ids[middle:])


class _Rounds(_Client):
    """The stream of `Rounds`."""

    def watch(self, after: int | None = None, round: str | None = None, kinds: Sequence[str] = ()) -> Iterator[Event]:
        """Events as they happen."""
        known = None if after is None else min(max(0, after), LARGEST_NUMBER)
        request = WatchRequest(protocol=PROTOCOL, after=known, round=round, kinds=kinds)
        with self._connection.errors("watch"), ExitStack() as stack:

            def begin(metadata: Metadata) -> tuple[Iterator[WatchReply], Idle]:
                call = self._connection.watch(request, metadata=metadata)
                stack.callback(call.cancel)
                idle = stack.enter_context(Idle(4 * BEAT_SECONDS, call.cancel))
                replies = iter(call)
                return chain(list(islice(replies, 1)), replies), idle

            replies, idle = self._connection.authorized("reader", begin)
            for reply in replies:
                if reply.WhichOneof("step") == "event":
                    idle.away()
                    yield Event.from_json(reply.event)
                idle.heard()


_OVERRIDES: Mapping[type[Service], type[_Client]] = {Weights: _Weights, Work: _Work, Rounds: _Rounds}


def _client(service: type[Service]) -> Callable[[Connection, Cache], Service]:
    """The class of clients of a service: of the service's own type, with methods that ask over gRPC."""
    own = _OVERRIDES.get(service, _Client)
    methods = {
        name: method.checking(vars(own).get(name) or _method_over_grpc(method))
        for name, method in service.methods.items()
    }
    return cast(Callable[[Connection, Cache], Service], type(f"Remote{service.__name__}", (own, service), methods))


def _method_over_grpc(method: ServiceMethod) -> Callable[..., Any]:
    if method.declaration.local:

        def refuse(self: _Client, *arguments: object, **named: object) -> Any:
            raise Refusal(f"{method.name} works in a registry's own folder, and this is a service")

        return refuse
    call = CALLS[method.name]

    def ask(self: _Client, *arguments: object, **named: object) -> Any:
        return self._connection.ask(call, *arguments, **named)

    ask.__name__ = ask.__qualname__ = method.name
    ask.__doc__ = method.function.__doc__
    return ask


_CLIENTS = {name: _client(service) for name, service in SERVICES.items()}


class RemoteRegistry(Registry):
    """A registry elsewhere: clients of all services, over one connection."""

    def __init__(self, url: str, cache: Cache, outbox: Outbox | None = None, roots: Roots | None = None) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            Refusal: as `open_channel`.
        """
        self._connection = Connection(url, outbox, roots)
        for name, client in _CLIENTS.items():
            setattr(self, name, client(self._connection, cache))

    def info(self) -> Info:
        """Facts about the registry."""
        return cast(Info, self._connection.ask(CALLS["info"]))

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes of weights that were sent and received over this connection."""
        return self._connection.sent, self._connection.received

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def open_remote(
    url: str, cache: Path, cache_bytes: int, outbox: Outbox | None = None, roots: Roots | None = None
) -> Registry:
    """A registry over gRPC, with a cache folder and a log of what is sent; `roots` as `Connection` takes them."""
    return RemoteRegistry(url, Cache(cache, cache_bytes), outbox, roots)


class _Upload:
    """The sending side of a push: an iterator that gRPC reads in a thread of its own."""

    def __init__(self, connection: Connection, begin: PushRequest, progress: Progress | None) -> None:
        self.needed: queue.SimpleQueue[list[tuple[str, int, int, BinaryIO]] | None] = queue.SimpleQueue()
        self.heard: Callable[[], object] = lambda: None
        """Called whenever the registry has taken some bytes, so that the transfer does not count as idle."""
        self._connection = connection
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
                self._connection.sent += len(block)
                if self._progress is not None:
                    self._progress(done, total)


def _open_all(needed: Needed, files: Mapping[str, Path], stack: ExitStack) -> list[tuple[str, int, int, BinaryIO]]:
    return [
        (file.digest, file.size, file.offset, stack.enter_context(open_to_send(file.digest, files, file.offset)))
        for file in needed.files
    ]
