"""Figures for Prometheus: the calls that a service answers, and what the registry holds.

An interceptor counts every call by method and status, with its time and the bytes of weights that it moved. What the
registry holds is asked for at each reading. Labels are method names and closed lists only: no name of a person, a node
or a round, whose number nobody bounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratatouille.errors import RatatouilleError
from registry.lists import every
from registry.proto.registry_pb2 import PushReply
from registry.records import ALIVE
from registry.services.local import LocalRegistry
from registry.transport.messages import Piece
from registry.transport.wire import CALLS, PACKAGE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""The method of calls that are none of the services': health, reflection, and the calls of software 0.1."""
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
_NAMES = {call.path: call.path.removeprefix(f"/{PACKAGE}.") for call in CALLS.values()}
Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class Metrics:
    """The figures of one service."""

    def __init__(self, registry: LocalRegistry) -> None:
        self._figures = CollectorRegistry()
        ProcessCollector(registry=self._figures)
        self._figures.register(_Holdings(registry))
        self._calls = Counter(
            "ratatouille_calls", "Calls that were answered.", ["method", "status"], registry=self._figures
        )
        self._seconds = Histogram(
            "ratatouille_call_seconds",
            "Time from a call's arrival to its end.",
            ["method"],
            buckets=_SECONDS,
            registry=self._figures,
        )
        self._running = Gauge(
            "ratatouille_calls_running", "Calls that are being answered.", ["method"], registry=self._figures
        )
        self._bytes = Counter(
            "ratatouille_weights_bytes", "Bytes of weights that moved.", ["direction"], registry=self._figures
        )

    def text(self) -> bytes:
        """All figures now, in Prometheus' text format."""
        return generate_latest(self._figures)

    def interceptor(self) -> grpc.ServerInterceptor[Any, Any]:
        """What counts the calls of a gRPC server."""
        return _Counting(self)

    def measured(self, method: str, context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
        """The answer of a call that has one, counted."""
        began, whole = self._begin(method), False
        try:
            found = answer()
            whole = True
            return found
        finally:
            self._end(method, context, began, whole)

    def measured_stream(self, method: str, context: grpc.ServicerContext, answers: Iterator[Any]) -> Iterator[Any]:
        """The answers of a call that has many, counted when it ends."""
        began, whole = self._begin(method), False
        sent = self._bytes.labels("sent")
        try:
            for answer in answers:
                if isinstance(answer, memoryview | bytes):
                    sent.inc(len(answer))
                # with the acknowledgement of a push all is said; its caller hangs up then
                whole = isinstance(answer, PushReply) and answer.WhichOneof("step") == "result"
                yield answer
            whole = True
        finally:
            self._end(method, context, began, whole)

    def received(self, requests: Iterator[Any]) -> Iterator[Any]:
        """The same requests, their weights counted."""
        received = self._bytes.labels("received")
        for request in requests:
            if isinstance(request, Piece):
                received.inc(len(request.data))
            yield request

    def _begin(self, method: str) -> float:
        self._running.labels(method).inc()
        return time.perf_counter()

    def _end(self, method: str, context: grpc.ServicerContext, began: float, whole: bool) -> None:
        """Count a call; `whole` says that it answered to the end, though its caller may have hung up then."""
        stated: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined]
        code = stated or (grpc.StatusCode.OK if whole else grpc.StatusCode.CANCELLED)
        self._running.labels(method).dec()
        self._calls.labels(method, code.name.lower()).inc()
        self._seconds.labels(method).observe(time.perf_counter() - began)


class _Counting(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Puts the counting around each handler; the handlers keep the threads that they run in."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        method = _NAMES.get(handler_call_details.method, OTHER)
        metrics, streams = self._metrics, (handler.request_streaming, handler.response_streaming)
        kind = "_".join("stream" if one else "unary" for one in streams)
        behaviour: Behaviour = getattr(handler, kind)

        def answer(asked: Any, context: grpc.ServicerContext) -> Any:
            asked = metrics.received(asked) if handler.request_streaming else asked
            if handler.response_streaming:
                return metrics.measured_stream(method, context, behaviour(asked, context))
            return metrics.measured(method, context, lambda: behaviour(asked, context))

        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(_in_threads_of(behaviour, answer), handler.request_deserializer, handler.response_serializer)


def _in_threads_of(known: Behaviour, new: Behaviour) -> Behaviour:
    """The new function, run by the threads of the known one (`Servicer` chooses them by an attribute)."""
    threads = getattr(known, "experimental_thread_pool", None)
    if threads is not None:
        new.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return new


class _Holdings(Collector):
    """What the registry holds, asked for when the figures are read; of what does not answer there is no figure."""

    def __init__(self, registry: LocalRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        registry = self._registry
        up = True
        try:
            usage, offers = registry.maintenance.usage(), registry.work.offers()
            leases = registry.work.leases()
            rounds = list(every(lambda last: registry.rounds.rounds(ALIVE, before=last.id if last else None)))
        except RatatouilleError:
            up = False
        yield _gauge("ratatouille_up", "Whether database and folder answer.", float(up))
        if not up:
            return
        yield _gauge("ratatouille_versions", "Versions in the history.", usage.versions)
        yield _gauge("ratatouille_blobs_bytes", "Bytes of weights that are kept.", usage.bytes)
        yield _gauge("ratatouille_room_bytes", "Bytes that new weights may take.", usage.room)
        yield _gauge("ratatouille_incoming_bytes", "Bytes of pushes that are under way.", usage.incoming_bytes)
        deaf = sum(not offer.hears_orders for offer in offers)
        nodes = GaugeMetricFamily("ratatouille_nodes", "Nodes that are here.", labels=["orders"])
        nodes.add_metric(["reach"], len(offers) - deaf)
        nodes.add_metric(["do_not_reach"], deaf)
        yield nodes
        yield _gauge("ratatouille_leases", "Questions that nodes are at work on.", len(leases))
        states = GaugeMetricFamily("ratatouille_rounds", "Rounds that run or wait.", labels=["state"])
        for state in ALIVE:
            states.add_metric([state], sum(one.state == state for one in rounds))
        yield states


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value)
