"""Messages that carry weights, written and read with few copies, and taken in advance by a thread.

They are `FetchReply.data` and `PushRequest.chunk` of `registry.proto`, byte for byte as protobuf writes them; any other
message, and whatever does not look like these, is left to protobuf. `benchmarks.registry.messages` measures what this
brings: with protobuf's own messages a transfer takes about 1.3 times as long.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from registry.blobs.store import Block
from registry.proto.registry_pb2 import Chunk, FetchReply, PushRequest

_DATA = b"\x12"
"""Field 2 of `FetchReply`, of some length."""
_CHUNK = b"\x12"
"""Field 2 of `PushRequest`."""
_DIGEST, _OFFSET, _BYTES = 0x0A, 0x10, 0x1A
"""Fields 1, 2 and 3 of `Chunk`."""
_MOST_BITS = 63
DEPTH = 4
"""Messages that may wait; more would only take memory."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a file, and where they belong: a `Chunk`."""

    digest: str
    offset: int
    data: Block


def write_reply(reply: FetchReply | Block) -> bytes:
    """A reply to a fetch; bare bytes are its data."""
    if isinstance(reply, FetchReply):
        return reply.SerializeToString()
    return b"".join((_DATA, _number(len(reply)), reply))


def read_reply(message: bytes) -> FetchReply | Block:
    """A reply to a fetch; bare bytes, where it holds data."""
    if message[:1] == _DATA:
        length, start = _read_number(message, 1)
        if start + length == len(message):
            return memoryview(message)[start:]
    return FetchReply.FromString(message)


def write_request(request: PushRequest | Piece) -> bytes:
    """A request of a push."""
    if isinstance(request, PushRequest):
        return request.SerializeToString()
    head = Chunk(digest=request.digest, offset=request.offset).SerializeToString()
    head += bytes((_BYTES,)) + _number(len(request.data))
    return b"".join((_CHUNK, _number(len(head) + len(request.data)), head, request.data))


def read_request(message: bytes) -> PushRequest | Piece:
    """A request of a push; a `Piece`, where it is a chunk."""
    if message[:1] == _CHUNK:
        length, start = _read_number(message, 1)
        if start + length == len(message) and (piece := _read_piece(message, start)) is not None:
            return piece
    request = PushRequest.FromString(message)
    if request.WhichOneof("step") == "chunk":
        return Piece(request.chunk.digest, request.chunk.offset, request.chunk.data)
    return request


def _read_piece(message: bytes, at: int) -> Piece | None:
    """Digest, offset (if it is not 0) and bytes, in this order and to the end; None for anything else."""
    if message[at : at + 1] != bytes((_DIGEST,)):
        return None
    length, at = _read_number(message, at + 1)
    digest, at, offset = message[at : at + length], at + length, 0
    if message[at : at + 1] == bytes((_OFFSET,)):
        offset, at = _read_number(message, at + 1)
    if message[at : at + 1] != bytes((_BYTES,)):
        return None
    length, at = _read_number(message, at + 1)
    if at + length != len(message) or not digest.isascii():
        return None
    return Piece(digest.decode(), offset, memoryview(message)[at:])


def _number(value: int) -> bytes:
    """A number as protobuf writes it: seven bits to a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    """The number there and where it ends; beyond the message, if it is none."""
    value = 0
    for bits in range(0, _MOST_BITS, 7):
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << bits
        at += 1
        if byte < 0x80:
            return value, at
    return 0, len(message) + 1


@contextmanager
def ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Read an iterator in advance; on leaving, the thread takes no more (the maker of the iterator ends it)."""
    waiting: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    room, stopped = threading.Semaphore(DEPTH), threading.Event()

    def read() -> None:
        try:
            while room.acquire() and not stopped.is_set():
                waiting.put((next(items), None))
        except BaseException as error:  # StopIteration too: the reader raises it in its own thread
            waiting.put((None, error))

    def give() -> Iterator[T]:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            room.release()
            yield item  # type: ignore[misc]

    threading.Thread(target=read, name="ahead", daemon=True).start()
    try:
        yield give()
    finally:
        stopped.set()
        room.release()
