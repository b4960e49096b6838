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
from registry.transport import arrivals, servicer
from registry.transport.wire import CHANNEL_OPTIONS, PACKAGE, SERVICE
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


KINDS = ("Registry/Push", "Registry/Fetch", "Registry/Watch", "Registry/Call", "Versions/Log", "Members/Challenge")


def open_silent(service: RegistryServer, stack: ExitStack, count: int, over: threading.Event, kind: str) -> list[Any]:
    """Calls that say nothing until `over`; twenty of them share a connection."""
    calls, metadata = [], as_owner(service.address) if kind == "Registry/Push" else ()
    options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]

    def silent() -> Iterator[bytes]:
        over.wait(600)
        yield from ()

    for number in range(count):
        if number % 20 == 0:
            channel = stack.enter_context(grpc.insecure_channel(service.address[len("grpc://") :], options=options))
        calls.append(channel.stream_stream(f"/{PACKAGE}.{kind}", None, None)(silent(), metadata=metadata))
    return calls


def test_100_silent_calls_of_every_kind_block_nobody(
    service: RegistryServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RECEIPT_SECONDS", "QUESTION_SECONDS"):  # so that none of them ends and lets the others go on
        monkeypatch.setattr(arrivals, name, 600.0)
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        calls = [call for kind in KINDS for call in open_silent(service, stack, 100, over, kind)]
        time.sleep(0.5)
        made = world.foundation()
        assert world.registry.weights.fetch(str(made.featurizer)).exists()
        assert world.registry.info().software
        assert next(iter(world.registry.rounds.watch(after=0))).number == 1
        assert sum(call.is_active() for call in calls) <= 4 * arrivals.MOST_UNOPENED, "the oldest made room"


def test_what_says_nothing_is_ended_after_seconds(service: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (arrivals.RECEIPT_SECONDS, arrivals.QUESTION_SECONDS) == (5, 60)
    for name in ("RECEIPT_SECONDS", "QUESTION_SECONDS"):
        monkeypatch.setattr(arrivals, name, 0.2)
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        for kind in KINDS:
            (call,) = open_silent(service, stack, 1, over, kind)
            with pytest.raises(grpc.RpcError) as ended:
                next(call)
            assert ended.value.code() == grpc.StatusCode.CANCELLED, kind


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
