"""The registry as a process: gRPC in front of a folder. `python -m registry.service --folder FOLDER --port PORT`.

Loopback only for now, without TLS, and it says so. Calls become method calls of `LocalRegistry`; weights stream through
the same gate as in process. SIGTERM lets running calls end; kill -9 loses nothing that was acknowledged.
"""

from __future__ import annotations

import argparse
import logging
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
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
from registry.wire import CHANNEL_OPTIONS, MESSAGE_BYTES, METHODS, OURS, SERVICE

THREADS = 64
MOST_TRANSFERS = 48
"""The other threads stay free for short calls."""
DRAIN_SECONDS = 30.0
SWEEP_SECONDS = 3600.0
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
            path = self._registry.fetch(request.digest)
            with path.open("rb", buffering=0) as file:
                yield FetchReply(size=path.stat().st_size)
                file.seek(request.offset)
                while block := file.read(MESSAGE_BYTES):
                    yield FetchReply(data=block)

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


class Service:
    """A running service; `stop` ends it."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        """Open the folder and listen; port 0 takes a free one.

        Raises:
            Refusal: for a folder that cannot be used, an address that is not loopback, or a port that is taken.
        """
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise Refusal(f"{host} is not this machine's loopback; without TLS the registry listens on 127.0.0.1 only")
        self._registry = LocalRegistry(folder)
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="registry"),
            # without this option two services share one port, and each gets some of the calls
            options=[
                *CHANNEL_OPTIONS,
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((Servicer(self._registry).handler(),))
        try:
            bound = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError:
            bound = 0
        if not bound:
            self._registry.close()
            raise Refusal(f"port {port} of {host} is taken; stop what listens there, or choose another with --port")
        self.address = f"grpc://{f'[{host}]' if ':' in host else host}:{bound}"

    def start(self) -> None:
        """Answer from now on."""
        self.sweep()
        self._server.start()
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)

    def sweep(self) -> None:
        """Throw away what broken transfers left long ago."""
        self._registry.publisher.sweep()

    def stop(self, grace: float = DRAIN_SECONDS) -> None:
        """Take no new calls, let running ones end for `grace` seconds, and close."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        self._registry.close()


def serve(folder: Path, port: int, host: str = "127.0.0.1", ready: Callable[[str], None] = print) -> None:
    """Run a service until SIGTERM or SIGINT.

    Args:
        folder: the registry's folder.
        port: where to listen; 0 takes a free one.
        host: a loopback address.
        ready: is told one line with the address, once calls are answered.
    """
    _open_many_files()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = Service(folder, host, port)
    service.start()
    ready(f"registry {folder} at {service.address} (loopback without TLS: everybody on this machine may write)")
    while not stop.wait(SWEEP_SECONDS):
        service.sweep()
    service.stop()


def main() -> int:
    """The process's entry."""
    parser = argparse.ArgumentParser(
        prog="python -m registry.service", description="Serve a registry folder over gRPC."
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9290, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve(arguments.folder, arguments.port, arguments.host, lambda line: print(line, flush=True))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


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


def _open_many_files() -> None:
    """A combination maps each of its parents; systems often allow 1024 open files by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
