"""The arrival of calls: threads for each kind of them, and their first message in time.

gRPC would wait for the message of a call in one of the threads that answer calls, and without limit: some dozen callers
who say nothing would stop all others. So every call is a stream here, whose first message is waited for with a limit.
On the wire nothing differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import grpc

from registry.transport.waits import MOST_GROWTH, Waits

MOST_UNOPENED = 32
"""Of each kind of calls, those that have not sent their first message yet; one more ends the oldest."""
SPARE_THREADS = 8
"""For callers that are refused, since there are too many."""
RECEIPT_SECONDS = 5.0
"""Time for the receipt with which a push begins, and for the question of another stream."""
QUESTION_SECONDS = 60.0
"""Time for the arguments of a call that is no stream; the longest take so long on a bad line."""
CALL = "call"
"""The kind of calls that are no streams."""
OTHER = "other"
"""The kind of the calls of other services."""
Answer = Callable[[Any, grpc.ServicerContext], Any]
T = TypeVar("T")
UNREADABLE = object()
"""Stands for a message that cannot be read."""


def marking(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """The same reader, with `UNREADABLE` for what it cannot read.

    If it failed, gRPC would end the call and now and then wait for its next message all the same. Such a call is never
    over, and a server with one never ends.
    """

    def read_or_mark(message: bytes) -> Any:
        try:
            return read(message)
        except Exception:  # whatever a stranger's bytes bring about
            return UNREADABLE

    return read_or_mark


def refuse_unreadable(request: Any, context: grpc.ServicerContext) -> Any:
    """The request; a call whose message cannot be read ends with the status that gRPC gives it."""
    if request is UNREADABLE:
        context.abort(grpc.StatusCode.INTERNAL, "this message cannot be read")
    return request


class Arrivals:
    """Threads and waiting calls, by kind; apart from each other, so that a full kind leaves the others alone."""

    def __init__(self, most: Mapping[str, int]) -> None:
        """`most` says how many calls of a kind are answered at one time."""
        self._threads = {
            kind: ThreadPoolExecutor(number + MOST_UNOPENED + SPARE_THREADS, kind) for kind, number in most.items()
        }
        self._unopened = {kind: Waits(MOST_UNOPENED, MOST_GROWTH) for kind in most}
        self._messages = Waits(math.inf, MOST_GROWTH)

    def opened(self, kind: str, nothing: Any, answer: Answer) -> Answer:
        """The same function, called once the question is here; `nothing` stands for one that never comes."""

        def open_and_answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            with self.waiting(kind, context):
                request = next(requests, nothing)
            return answer(refuse_unreadable(request, context), context)

        return self.in_threads(kind, open_and_answer)

    def waiting(self, kind: str, context: grpc.ServicerContext) -> AbstractContextManager[None]:
        """Wait for the first message; the call is ended when it does not come, or when others need the place."""
        seconds = QUESTION_SECONDS if kind == CALL else RECEIPT_SECONDS
        return self._unopened[kind].waiting(context.cancel, seconds)

    def messages(self, requests: Iterator[T], context: grpc.ServicerContext) -> Iterator[T]:
        """The messages of a stream; it is ended when the memory grows while one of them comes."""
        nothing = object()
        while True:
            with self._messages.waiting(context.cancel, math.inf):
                request = next(requests, nothing)
            if request is nothing:
                return
            yield cast(T, request)

    def in_threads(self, kind: str, answer: Answer) -> Answer:
        """The same function, run by the threads of its kind: gRPC reads them from the attribute that is set here."""

        def answering(request: Any, context: grpc.ServicerContext) -> Any:
            return answer(request, context)

        answering.experimental_thread_pool = self._threads[kind]  # type: ignore[attr-defined]
        return answering


class OtherServices(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Lets the calls of other services of the same server (health, reflection) arrive as ours do."""

    def __init__(self, threads: int) -> None:
        self._arrivals = Arrivals({OTHER: threads})

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """The handler of a call."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        streams, answers = handler.request_streaming, handler.response_streaming
        kind = "_".join("stream" if one else "unary" for one in (streams, answers))
        answer: Answer = getattr(handler, kind)
        if hasattr(answer, "experimental_thread_pool"):  # it is ours
            return handler
        read = handler.request_deserializer
        if streams:
            arriving = self._arrivals.in_threads(
                OTHER, lambda requests, context: answer(self._arrivals.messages(requests, context), context)
            )
        else:
            arriving = self._arrivals.opened(OTHER, read(b""), answer)
        make = grpc.stream_stream_rpc_method_handler if answers else grpc.stream_unary_rpc_method_handler
        return make(arriving, read if streams else marking(read), handler.response_serializer)
