"""The gRPC servicer: one gRPC method for each of the services' methods (`wire`), on top of a `LocalRegistry`.

Arguments are checked by `wire`; refusals become statuses with their sentence; anything else that is raised is a defect
of ours, which is logged and not shown. Nothing is begun for a caller that has hung up, and long work stops then.
Software 0.1 sent every call as `Registry/Call`; this stays for one minor release, over the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Any

import grpc
from pydantic_core import to_json

from ratatouille.errors import UPGRADE, Refusal
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, check_signature
from registry.blobs.store import Block
from registry.caller import Caller, called_by
from registry.cancellation import working_for
from registry.contributions.publish import check_length
from registry.contributions.push import Push
from registry.proto.registry_pb2 import (
    Begin,
    CallReply,
    CallRequest,
    FetchReply,
    FetchRequest,
    File,
    Needed,
    PushReply,
    PushRequest,
    WatchReply,
    WatchRequest,
)
from registry.records import Event, Result
from registry.services.local import LocalRegistry
from registry.services.registry import METHODS, SERVICES, Registry
from registry.transport.arrivals import CALL, Arrivals, marking
from registry.transport.authentication import SIGNED, Authentication
from registry.transport.messages import Piece, ahead, read_request, write_reply
from registry.transport.statuses import Misused, TooLarge, UnknownMethod, refusals
from registry.transport.stream_limits import LeastRate, StreamLimit
from registry.transport.unread import Unread
from registry.transport.wire import CALLS, MESSAGE_BYTES, PACKAGE, SERVICE, SOFTWARE, Call

MOST_PUSHES = 48
MOST_FETCHES = 48
MOST_WATCHERS = 96
MOST_LONG_CALLS = 12
SHARE = 0.75
"""Of each of these, what one peer may have; on one machine a peer is a user of the operating system."""
PUSHES_OF_A_KEY = 16
CALL_THREADS = 32
IDLE_SECONDS = 60.0
LEAST_BYTES = 2**19
"""A transfer whose other side moves fewer bytes while it is waited for `IDLE_SECONDS` is ended; it may go on where it
stopped."""

_OURS = f"/{PACKAGE}."
Handler = Any
"""A `grpc.RpcMethodHandler`, whose class takes no parameters at run time."""


class Servicer(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Answers all calls; gRPC looks up each by its path."""

    def __init__(self, registry: LocalRegistry, behind_door: int | None = None) -> None:
        self._registry = registry
        self._authentication = Authentication(registry, behind_door)
        self._objects = {Registry: registry} | {kind: getattr(registry, name) for name, kind in SERVICES.items()}
        self._pushes = _limit("pushes", MOST_PUSHES, key=PUSHES_OF_A_KEY)
        self._fetches = _limit("fetches", MOST_FETCHES)
        self._watchers = _limit("watchers", MOST_WATCHERS)
        self._long_calls = _limit("long calls", MOST_LONG_CALLS)
        most = {CALL: CALL_THREADS, "fetch": MOST_FETCHES, "push": MOST_PUSHES, "watch": MOST_WATCHERS}
        self._arrivals = Arrivals(most)
        self._unread = Unread()
        self._handlers = self._make_handlers()

    def call(self, request: CallRequest, context: grpc.ServicerContext) -> CallReply:
        """Any method that is no stream, by its name: as software 0.1 calls all of them."""
        call = CALLS.get(request.method)
        if call is None or call.method.declaration.stream:
            return self.unknown(request.method[:80], request, context)
        return self.answer(call, request, context)

    def answer(self, call: Call, request: CallRequest, context: grpc.ServicerContext) -> CallReply:
        """One method that is no stream."""
        with refusals(context, f"call {call.name}"):
            _check_protocol(request.protocol)
            with self._admitted(call, context) as caller:
                return self._answer(call, request, caller)

    @contextmanager
    def _admitted(self, call: Call, context: grpc.ServicerContext) -> Iterator[Caller]:
        """While the block runs, this thread works for the caller of a method that is no stream."""
        caller = self._authentication.admit(call.method, context)
        with ExitStack() as stack:
            if call.method.declaration.slow:
                stack.enter_context(self._long_calls.slot(peer=caller.peer))
                stack.enter_context(self._authentication.watching(call.method, caller, context.cancel))
            stack.enter_context(working_for(context.is_active))
            stack.enter_context(self._authentication.answering(call.method, caller, context))
            stack.enter_context(called_by(caller))
            yield caller

    def _answer(self, call: Call, request: CallRequest, caller: Caller) -> CallReply:
        if len(request.json) > call.largest:
            raise TooLarge(
                f"the arguments of {call.name} have {len(request.json)} bytes, and {call.largest} are the most; "
                "ask for less at once"
            )
        try:
            arguments = call.decode(request.json)
        except Refusal as refusal:
            hint = "" if request.software == SOFTWARE else f"; {_upgrade(request.software)}"
            raise Misused(f"{refusal}{hint}") from refusal
        self._authentication.check_signer(call.method, caller, arguments.get(SIGNED))
        service = self._objects[call.method.service]
        return CallReply(json=to_json(getattr(service, call.name)(**arguments)))

    def unknown(self, name: str, request: CallRequest, context: grpc.ServicerContext) -> CallReply:
        """A method that this software does not have: older or newer software has it."""
        with refusals(context, f"call {name}"):
            _check_protocol(request.protocol)
            raise UnknownMethod(
                f"this registry (ratatouille {SOFTWARE}) does not know {name!r}; {_upgrade(request.software)}"
            )
        raise AssertionError  # the block always raises

    def fetch(self, request: FetchRequest, context: grpc.ServicerContext) -> Iterator[FetchReply | Block]:
        """Stream a file from an offset on."""
        with refusals(context, "fetch"), self._stream("fetch", self._fetches, request.protocol, context):
            size, blocks = self._registry.weights.stream(request.digest, request.offset)
            with closing(blocks), LeastRate(IDLE_SECONDS, LEAST_BYTES, context.cancel) as rate:
                with self._unread.reading(context):
                    yield FetchReply(size=size)
                for block in blocks:
                    for start in range(0, len(block), MESSAGE_BYTES):
                        piece = memoryview(block)[start : start + MESSAGE_BYTES]
                        rate.wait()
                        yield piece
                        rate.moved(len(piece))

    def push(self, requests: Iterator[PushRequest | Piece], context: grpc.ServicerContext) -> Iterator[PushReply]:
        """Take a contribution: receipt, what is needed, bytes, acknowledgement."""
        method = METHODS["push"]
        with refusals(context, "push"):
            caller = self._authentication.admit(method, context)
            with self._arrivals.waiting("push", context):
                first = next(requests, PushRequest())
            if not isinstance(first, PushRequest):
                raise Refusal("a push begins with its receipt")
            sealed = _sealed(first.begin)
            with self._authentication.answering(method, caller, context):
                self._authentication.check_signer(method, caller, sealed)
                with (
                    self._pushes.slot(peer=caller.peer, key=sealed.node),
                    self._authentication.watching(method, caller, context.cancel),
                ):
                    yield from self._pushing(sealed, requests, context)

    @contextmanager
    def _stream(self, name: str, limit: StreamLimit, protocol: int, context: grpc.ServicerContext) -> Iterator[None]:
        """A place for a stream of a caller who may open it; it is ended when they may not any more."""
        _check_protocol(protocol)
        caller = self._authentication.admit(METHODS[name], context)
        with (
            limit.slot(peer=caller.peer),
            self._authentication.watching(METHODS[name], caller, context.cancel),
        ):
            yield

    def _pushing(
        self, sealed: Sealed, requests: Iterator[PushRequest | Piece], context: grpc.ServicerContext
    ) -> Iterator[PushReply]:
        push = self._registry.publisher.begin(sealed)
        if isinstance(push, Result):
            with self._unread.reading(context):
                yield PushReply(result=push.to_json())
            return
        with push, ahead(self._arrivals.messages(requests, context)) as following:
            with LeastRate(IDLE_SECONDS, LEAST_BYTES, context.cancel) as rate:
                rate.wait()
                yield PushReply(needed=_needed(push))
                for request in following:
                    rate.moved(len(request.data) if isinstance(request, Piece) else 0)
                    _take(push, request)
                    rate.wait()
            result = push.commit().to_json()
            with self._unread.reading(context):
                yield PushReply(result=result)

    def watch(self, request: WatchRequest, context: grpc.ServicerContext) -> Iterator[WatchReply]:
        """Stream events as they happen."""
        with refusals(context, "watch"), self._stream("watch", self._watchers, request.protocol, context):
            after = request.after if request.HasField("after") else None
            round = request.round if request.HasField("round") else None
            for step in self._registry.watching.steps(after, round, tuple(request.kinds), context.is_active):
                reply = WatchReply(event=step.to_json()) if isinstance(step, Event) else WatchReply(seen=step)
                with self._unread.reading(context):
                    yield reply

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of a path; None for a path that is not ours."""
        path = str(handler_call_details.method)
        if path in self._handlers:
            return self._handlers[path]
        return self._unary(partial(self.unknown, path.removeprefix(_OURS))) if path.startswith(_OURS) else None

    def _unary(self, answer: Callable[[CallRequest, grpc.ServicerContext], CallReply]) -> Handler:
        opened = self._arrivals.opened(CALL, CallRequest(), self._unread.limited(answer))
        return grpc.stream_unary_rpc_method_handler(
            opened, marking(CallRequest.FromString), CallReply.SerializeToString
        )

    def _make_handlers(self) -> dict[str, Handler]:
        """The handler of each path."""
        opened, stream = self._arrivals.opened, grpc.stream_stream_rpc_method_handler
        fetch, watch = opened("fetch", FetchRequest(), self.fetch), opened("watch", WatchRequest(), self.watch)
        push = self._arrivals.in_threads("push", self.push)
        streams = {
            "fetch": stream(fetch, marking(FetchRequest.FromString), write_reply),
            "push": stream(push, marking(read_request), PushReply.SerializeToString),
            "watch": stream(watch, marking(WatchRequest.FromString), WatchReply.SerializeToString),
        }
        handlers = {
            call.path: streams[call.name] if call.method.declaration.stream else self._unary(partial(self.answer, call))
            for call in CALLS.values()
        }
        as_before = {"Call": self._unary(self.call)} | {name.capitalize(): one for name, one in streams.items()}
        return handlers | {f"/{SERVICE}/{name}": one for name, one in as_before.items()}


def _limit(what: str, most: int, **shares: int) -> StreamLimit:
    return StreamLimit(what, most, {"peer": max(1, int(SHARE * most)), **shares})


def _sealed(begin: Begin) -> Sealed:
    """The receipt, its signature checked first: so no client can take the places of another key."""
    _check_protocol(begin.protocol)
    sealed = Sealed.from_json(begin.sealed)
    check_length(sealed)
    check_signature(sealed, Receipt)
    return sealed


def _needed(push: Push) -> Needed:
    files = [
        File(digest=digest, size=push.wanted[digest].size, offset=receiving.received)
        for digest, receiving in push.receiving.items()
    ]
    return Needed(files=files)


def _take(push: Push, request: PushRequest | Piece) -> None:
    if not isinstance(request, Piece):
        raise Refusal("after its receipt a push sends bytes of its files, and nothing else")
    receiving = push.receiving.get(request.digest)
    if receiving is None:
        raise Refusal(f"weights {request.digest[:12]}… were not asked for")
    if request.offset != receiving.received:
        raise Refusal(f"bytes from {request.offset} on came; those from {receiving.received} on were next")
    push.write(request.digest, request.data)


def _check_protocol(theirs: int) -> None:
    if theirs != PROTOCOL:
        raise Refusal(disagreement(theirs, "your software", "this registry"))


def _upgrade(theirs: str) -> str:
    """Which side is older, as far as their version says."""
    numbers, ours = _numbers(theirs), _numbers(SOFTWARE)
    older = "yours" if numbers < ours else "it" if numbers > ours else "the older side"
    return f"upgrade {older}{f' ({theirs[:40]})' if numbers < ours and theirs else ''}: {UPGRADE}"


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that order versions; none for the oldest software, which sent no version."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version[:40])[:3])
