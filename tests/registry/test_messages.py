"""Messages with weights are protobuf's, byte for byte, and anything else is read as protobuf reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from registry.proto.registry_pb2 import Begin, Chunk, FetchReply, PushRequest
from registry.transport.messages import Piece, read_reply, read_request, write_reply, write_request

LENGTHS = (0, 1, 127, 128, 16_383, 16_384, 2**20)
DIGEST = "ab" * 32
T = TypeVar("T")


@pytest.mark.parametrize("length", LENGTHS)
def test_data_of_a_fetch_is_as_protobuf_writes_it(length: int) -> None:
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    if length:
        assert write_reply(memoryview(data)) == FetchReply(data=data).SerializeToString()
    found = read_reply(write_reply(data))
    assert not isinstance(found, FetchReply)
    assert bytes(found) == data


@pytest.mark.parametrize("length", LENGTHS[1:])
@pytest.mark.parametrize("offset", [0, 1, 2**20, 2**62])
def test_a_chunk_of_a_push_is_as_protobuf_writes_it(length: int, offset: int) -> None:
    piece = Piece(DIGEST, offset, b"x" * length)
    message = write_request(piece)
    assert message == PushRequest(chunk=Chunk(digest=DIGEST, offset=offset, data=b"x" * length)).SerializeToString()
    assert read_request(message) == piece


def test_other_messages_are_protobufs() -> None:
    size, begin = FetchReply(size=7), PushRequest(begin=Begin(protocol=1, sealed=b"{}"))
    assert read_reply(write_reply(size)) == size
    assert read_request(write_request(begin)) == begin


ANYTHING = st.binary(max_size=200) | st.builds(lambda data: b"\x12" + data, st.binary(max_size=200))


def parsed(read: Callable[[bytes], T], message: bytes) -> T | None:
    try:
        return read(message)
    except DecodeError:
        return None


@given(ANYTHING)
def test_whatever_comes_is_read_as_protobuf_reads_it(message: bytes) -> None:
    expected, found = parsed(PushRequest.FromString, message), parsed(read_request, message)
    if isinstance(found, Piece):
        assert expected is not None
        assert (found.digest, found.offset) == (expected.chunk.digest, expected.chunk.offset)
        assert bytes(found.data) == expected.chunk.data
    else:
        assert found == expected


@given(ANYTHING)
def test_whatever_a_service_sends_is_read_as_protobuf_reads_it(message: bytes) -> None:
    expected, found = parsed(FetchReply.FromString, message), parsed(read_reply, message)
    if isinstance(found, FetchReply | None):
        assert found == expected
    else:
        assert expected is not None
        assert bytes(found) == expected.data
