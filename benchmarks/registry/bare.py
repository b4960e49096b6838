"""A peer for transfers: the same bytes through gRPC and nothing else than hashing and writing them.

No protobuf, no registry: raw messages of the same length, over a channel with the same options, and a push waits for
the disk. What this takes is what gRPC for Python takes on this machine.

`python -m benchmarks.registry.bare FOLDER` serves; it prints its port.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from registry.transport.wire import CHANNEL_OPTIONS, MESSAGE_BYTES


def take(blocks: Iterable[bytes], path: Path, sync: bool) -> str:
    """Hash and write what comes."""
    sha = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for block in blocks:
            sha.update(block)
            os.write(descriptor, block)
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return sha.hexdigest()


def give(path: Path) -> Iterator[bytes]:
    """A file in messages."""
    with path.open("rb", buffering=0) as file:
        while block := file.read(MESSAGE_BYTES):
            yield block


def push(port: int, path: Path) -> str:
    """Send a file; returns the digest that the other side saw."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel:
        call = channel.stream_unary("/bare/push", _as_it_is, _as_it_is)
        answer: bytes = call(give(path))
        return answer.decode()


def fetch(port: int, path: Path, target: Path) -> str:
    """Bring a file; returns its digest."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel:
        call = channel.unary_stream("/bare/fetch", _as_it_is, _as_it_is)
        return take(call(str(path).encode()), target, sync=False)


def _as_it_is(message: bytes) -> bytes:
    return message


def _handler(folder: Path) -> grpc.GenericRpcHandler[Any, Any]:
    def take_push(blocks: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        return take(blocks, folder / "bare", sync=True).encode()

    def give_file(path: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        return give(Path(path.decode()))

    handlers = {
        "push": grpc.stream_unary_rpc_method_handler(take_push),
        "fetch": grpc.unary_stream_rpc_method_handler(give_file),
    }
    return grpc.method_handlers_generic_handler("bare", handlers)


def main() -> None:
    """Serve until the process is ended."""
    server = grpc.server(ThreadPoolExecutor(4), options=CHANNEL_OPTIONS)
    server.add_generic_rpc_handlers((_handler(Path(sys.argv[1])),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
