"""Messages of weights: those of `registry.transport.messages` beside protobuf's own, over the same gRPC channel.

Both ways of writing and reading carry the same bytes, one megabyte a message, in turns of the same run. The ratio says
how much longer protobuf takes; hashing and writing are left out, so it is the most that the module can bring.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.output import REFUSED, told
from registry.proto.registry_pb2 import Chunk, FetchReply, PushReply, PushRequest
from registry.transport.messages import Piece, read_reply, read_request, write_reply, write_request
from registry.transport.wire import CHANNEL_OPTIONS, MESSAGE_BYTES

DIGEST = "0" * 64
Codec = tuple[Callable[[Any], bytes], Callable[[bytes], Any], Callable[[Any], bytes], Callable[[bytes], Any]]
"""Writes and reads a reply to a fetch, and writes and reads a request of a push."""
WAYS: dict[str, Codec] = {
    "messages": (write_reply, read_reply, write_request, read_request),
    "protobuf": (
        lambda block: FetchReply(data=bytes(block)).SerializeToString(),
        lambda message: FetchReply.FromString(message).data,
        lambda piece: _chunk(piece).SerializeToString(),
        lambda message: PushRequest.FromString(message).chunk,
    ),
}


def compared(megabytes: int, turns: int) -> dict[str, Any]:
    """Medians of some turns, and how many times as long protobuf takes."""
    block = bytes(range(256)) * (MESSAGE_BYTES // 256)
    seconds: dict[tuple[str, str], list[float]] = {}
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, options=CHANNEL_OPTIONS)
        for name, codec in WAYS.items():
            server.add_generic_rpc_handlers((_handler(name, codec, block, megabytes),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel:
            for _ in range(turns + 1):
                for name, codec in WAYS.items():
                    seconds.setdefault(("fetch", name), []).append(_timed(_fetch, channel, name, codec))
                    seconds.setdefault(("push", name), []).append(_timed(_push, channel, name, codec, block, megabytes))
        server.stop(None).wait()
    took = {key: median(each[1:]) for key, each in seconds.items()}  # the first turn opens the connection
    rows = [
        {
            "transfer": kind,
            "megabytes_per_second": round(megabytes / took[kind, "messages"]),
            "protobuf_megabytes_per_second": round(megabytes / took[kind, "protobuf"]),
            "ratio": round(took[kind, "protobuf"] / took[kind, "messages"], 2),
        }
        for kind in ("fetch", "push")
    ]
    return {"megabytes": megabytes, "turns": turns, "transfers": rows}


def _handler(name: str, codec: Codec, block: bytes, megabytes: int) -> grpc.GenericRpcHandler[Any, Any]:
    write, _, _, read = codec

    def give(request: bytes, context: grpc.ServicerContext) -> Iterator[memoryview]:
        for _ in range(megabytes):
            yield memoryview(block)

    def take(requests: Iterator[Any], context: grpc.ServicerContext) -> PushReply:
        if sum(len(one.data) for one in requests) != megabytes * MESSAGE_BYTES:
            raise ValueError("some bytes are missing")
        return PushReply()

    handlers: dict[str, Any] = {
        "fetch": grpc.unary_stream_rpc_method_handler(give, None, write),
        "push": grpc.stream_unary_rpc_method_handler(take, read, PushReply.SerializeToString),
    }
    return grpc.method_handlers_generic_handler(name, handlers)


def _fetch(channel: grpc.Channel, name: str, codec: Codec) -> None:
    for block in channel.unary_stream(f"/{name}/fetch", None, codec[1])(b""):
        len(block)


def _push(channel: grpc.Channel, name: str, codec: Codec, block: bytes, megabytes: int) -> None:
    pieces = (Piece(DIGEST, MESSAGE_BYTES * number, block) for number in range(megabytes))
    channel.stream_unary(f"/{name}/push", codec[2], PushReply.FromString)(pieces)


def _chunk(piece: Piece) -> PushRequest:
    return PushRequest(chunk=Chunk(digest=piece.digest, offset=piece.offset, data=bytes(piece.data)))


def _timed(call: Callable[..., None], *arguments: Any) -> float:
    begun = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begun


def show(report: dict[str, Any], console: Console) -> None:
    """The table."""
    table = Table("transfer", "ours, MB/s", "protobuf, MB/s", "protobuf takes", title=f"{report['megabytes']} MB")
    for row in report["transfers"]:
        speeds = (str(row["megabytes_per_second"]), str(row["protobuf_megabytes_per_second"]))
        table.add_row(row["transfer"], *speeds, f"{row['ratio']} × as long")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Messages of weights beside protobuf's own.")
    parser.add_argument("--megabytes", type=int, default=512, help="in each transfer")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    report = told(lambda: compared(options.megabytes, options.turns), show, options.json)
    return REFUSED if report is None else 0


if __name__ == "__main__":
    sys.exit(main())
