"""Somebody without a key who opens streams and says nothing, or as little as possible."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.proto.registry_pb2 import Begin, Chunk, PushReply, PushRequest, WatchReply, WatchRequest
from registry.server import RegistryServer
from registry.transport import servicer
from registry.transport.wire import CHANNEL_OPTIONS, SERVICE
from tests.registry.test_service import a_large_import
from tests.registry.tokens import as_owner
from tests.registry.world import World


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RegistryServer]:
    started = RegistryServer(tmp_path / "registry")
    started.start()
    yield started
    started.stop(grace=1)


@pytest.fixture
def world(service: RegistryServer, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "files").mkdir()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        made = World(registry, tmp_path / "files", Signer.open(tmp_path / "key"))
        made.define()
        yield made


def silent(over: threading.Event, *first: PushRequest) -> Iterator[PushRequest]:
    """A side of a push that says something, perhaps, and then nothing."""
    yield from first
    over.wait(600)


def open_pushes(service: RegistryServer, stack: ExitStack, count: int, over: threading.Event) -> list[Any]:
    """Streams from connections of their own."""
    calls, metadata = [], as_owner(service.address)
    for _ in range(count):
        address = service.address.removeprefix("grpc://")
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        channel = stack.enter_context(grpc.insecure_channel(address, options=options))
        push = channel.stream_stream(f"/{SERVICE}/Push", PushRequest.SerializeToString, PushReply.FromString)
        calls.append(push(silent(over), metadata=metadata))
    return calls


def test_100_streams_that_say_nothing_block_nobody(
    service: RegistryServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicer, "RECEIPT_SECONDS", 600.0)  # so that none of them ends and lets the others go on
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        open_pushes(service, stack, 100, over)
        time.sleep(0.5)
        begun = time.monotonic()
        made = world.foundation()
        assert world.registry.weights.fetch(str(made.featurizer)).exists()
        assert world.registry.info().software
        assert time.monotonic() - begun < 60


def test_a_push_without_its_receipt_is_ended_after_seconds(
    service: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert servicer.RECEIPT_SECONDS == 5
    monkeypatch.setattr(servicer, "RECEIPT_SECONDS", 1.0)
    over, begun = threading.Event(), time.monotonic()
    with ExitStack() as stack:
        stack.callback(over.set)
        (call,) = open_pushes(service, stack, 1, over)
        with pytest.raises(grpc.RpcError):
            next(call)
        assert 0.8 < time.monotonic() - begun < 60


def test_a_push_that_sends_a_byte_now_and_then_is_ended(
    service: RegistryServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicer, "IDLE_SECONDS", 1.0)
    receipt, files = a_large_import(world)
    digest = str(receipt.featurizer)
    data = files[digest].read_bytes()

    def dripping() -> Iterator[PushRequest]:
        yield PushRequest(begin=Begin(protocol=PROTOCOL, sealed=world.seal(receipt).to_json()))
        for offset in range(1000):
            yield PushRequest(chunk=Chunk(digest=digest, offset=offset, data=data[offset : offset + 1]))
            time.sleep(0.1)

    begun = time.monotonic()
    with grpc.insecure_channel(service.address.removeprefix("grpc://"), options=CHANNEL_OPTIONS) as channel:
        push = channel.stream_stream(f"/{SERVICE}/Push", PushRequest.SerializeToString, PushReply.FromString)
        with pytest.raises(grpc.RpcError):
            list(push(dripping(), metadata=as_owner(service.address)))
    assert 0.8 < time.monotonic() - begun < 60
    assert world.registry.weights.push(world.seal(receipt), files).version, "it goes on where it was"


def test_one_peer_has_no_more_than_a_share_of_the_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicer, "MOST_WATCHERS", 8)
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with ExitStack() as stack:
        stack.callback(lambda: service.stop(grace=1))
        address = service.address.removeprefix("grpc://")
        channel = stack.enter_context(grpc.insecure_channel(address, options=CHANNEL_OPTIONS))
        watch = channel.unary_stream(f"/{SERVICE}/Watch", WatchRequest.SerializeToString, WatchReply.FromString)
        for _ in range(6):
            stack.callback(watch(WatchRequest(protocol=PROTOCOL)).cancel)
        time.sleep(0.5)
        with pytest.raises(grpc.RpcError, match="this peer has 6 watchers already"):
            list(cast(Any, watch(WatchRequest(protocol=PROTOCOL))))
