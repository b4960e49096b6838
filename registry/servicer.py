"""What the service answers: the three calls of `registry.proto`, on top of a `LocalRegistry`.

Arguments are checked by `wire`; refusals become statuses with their sentence; anything else that is raised is a defect
of ours, which is logged and not shown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import grpc
from pydantic_core import to_json

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.signing import Sealed
from registry.ahead import ahead
from registry.local import LocalRegistry
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
)
from registry.publish import Push
from registry.records import Result
from registry.wire import MESSAGE_BYTES, METHODS, OURS, SERVICE

MOST_TRANSFERS = 48
"""Fewer than the service has threads: the others stay free for short calls."""
LONGEST_SENTENCE = 1500
"""Characters of a refusal; gRPC limits the size of a status."""

_log = logging.getLogger("registry")


class Servicer:
    """Answers the three calls."""

    def __init__(self, registry: LocalRegistry) -> None:
        self._registry = registry
        self._transfers = threading.BoundedSemaphore(MOST_TRANSFERS)

    def call(self, request: CallRequest, context: grpc.ServicerContext) -> CallReply:
        """Any method of the port that carries no weights."""
        with _refusals(context, f"call {request.method[:80]}"):
            _check_protocol(request.protocol)
            if request.method not in METHODS:
                raise _Unknown(f"this registry does not know {request.method[:80]!r}; upgrade it")
            try:
                arguments = METHODS[request.method].decode(request.json)
            except Refusal as refusal:
                raise _Misused(str(refusal)) from refusal
            return CallReply(json=to_json(getattr(self._registry, request.method)(**arguments)))

    def fetch(self, request: FetchRequest, context: grpc.ServicerContext) -> Iterator[FetchReply]:
        """Stream a file from an offset on."""
        with _refusals(context, "fetch"), self._transfer():
            _check_protocol(request.protocol)
            size, blocks = self._registry.stream(request.digest, request.offset)
            with closing(blocks):
                yield FetchReply(size=size)
                for block in blocks:
                    for start in range(0, len(block), MESSAGE_BYTES):
                        yield FetchReply(data=bytes(block[start : start + MESSAGE_BYTES]))

    def push(self, requests: Iterator[PushRequest], context: grpc.ServicerContext) -> Iterator[PushReply]:
        """Take a contribution: receipt, what is needed, bytes, acknowledgement."""
        with _refusals(context, "push"), self._transfer():
            begin = next(requests, PushRequest()).begin
            push = self._registry.publisher.begin(_sealed(begin))
            if isinstance(push, Result):
                yield PushReply(result=push.to_json())
                return
            with push, ahead(requests) as following:
                yield PushReply(needed=_needed(push))
                for request in following:
                    _take(push, request)
                yield PushReply(result=push.commit().to_json())

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The three calls under their names."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Call": grpc.unary_unary_rpc_method_handler(
                    self.call, CallRequest.FromString, CallReply.SerializeToString
                ),
                "Fetch": grpc.unary_stream_rpc_method_handler(
                    self.fetch, FetchRequest.FromString, FetchReply.SerializeToString
                ),
                "Push": grpc.stream_stream_rpc_method_handler(
                    self.push, PushRequest.FromString, PushReply.SerializeToString
                ),
            },
        )

    @contextmanager
    def _transfer(self) -> Iterator[None]:
        if not self._transfers.acquire(blocking=False):
            raise Unreachable(f"the registry has {MOST_TRANSFERS} transfers under way; try again in a minute")
        try:
            yield
        finally:
            self._transfers.release()


def _sealed(begin: Begin) -> Sealed:
    _check_protocol(begin.protocol)
    return Sealed.from_json(begin.sealed)


def _needed(push: Push) -> Needed:
    files = [
        File(digest=digest, size=push.wanted[digest].size, offset=receiving.received)
        for digest, receiving in push.receiving.items()
    ]
    return Needed(files=files)


def _take(push: Push, request: PushRequest) -> None:
    chunk = request.chunk
    receiving = push.receiving.get(chunk.digest)
    if receiving is None:
        raise Refusal(f"weights {chunk.digest[:12]}… were not asked for")
    if chunk.offset != receiving.received:
        raise Refusal(f"bytes from {chunk.offset} on came; those from {receiving.received} on were next")
    push.write(chunk.digest, chunk.data)


def _check_protocol(theirs: int) -> None:
    if theirs != PROTOCOL:
        older = "your software" if theirs < PROTOCOL else "the registry"
        raise Refusal(f"you speak protocol {theirs}, this registry protocol {PROTOCOL}; upgrade {older}")


class _Unknown(Refusal):
    """A method that the port does not have."""


class _Misused(Refusal):
    """Arguments that a method does not take."""


_CODES = {
    _Unknown: grpc.StatusCode.UNIMPLEMENTED,
    _Misused: grpc.StatusCode.INVALID_ARGUMENT,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
}


@contextmanager
def _refusals(context: grpc.ServicerContext, what: str) -> Iterator[None]:
    """Send a refusal as a status; log anything else, since it is a defect of ours."""
    try:
        yield
    except Refusal as refusal:
        code, sentence = _CODES.get(type(refusal), grpc.StatusCode.FAILED_PRECONDITION), str(refusal)
    except Exception:
        if not context.is_active():  # the caller is gone
            return
        _log.exception("%s failed", what)
        code, sentence = grpc.StatusCode.INTERNAL, f"the registry failed at this {what}; its log says why"
    else:
        return
    context.set_trailing_metadata((OURS,))
    context.abort(code, sentence[:LONGEST_SENTENCE])
