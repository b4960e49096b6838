"""Somebody without a key who opens streams and says nothing, or as little as possible."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.proto.registry_pb2 import Begin, CallRequest, Chunk, PushReply, PushRequest, WatchReply, WatchRequest
from registry.records import RoundRecord
from registry.server import RegistryServer
from registry.transport import arrivals, servicer, unread, waits
from registry.transport.wire import CALLS, CHANNEL_OPTIONS, PACKAGE, SERVICE
from tests.registry.test_service import a_large_import
from tests.registry.test_watching import once_reachable
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


NARROW = [*CHANNEL_OPTIONS, ("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
"""Of somebody who takes one KiB at a time."""
HUGE = 2**28
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


def endless(service: RegistryServer, path: str, *first: bytes) -> grpc.RpcError:
    """What becomes of a call that sends some messages, and then one without end."""
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(service.address.removeprefix("grpc://"), options=options) as channel:
        call = channel.stream_stream(path, None, None)
        with pytest.raises(grpc.RpcError) as ended:
            list(call(iter([*first, bytes(HUGE)]), metadata=as_owner(service.address), timeout=600))
        return ended.value


@pytest.mark.parametrize("path", [CALLS["challenge"].path, CALLS["fetch"].path, "/grpc.health.v1.Health/Check"])
def test_a_message_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(arrivals, "MOST_GROWTH", HUGE // 8)
    monkeypatch.setattr(waits, "LOOK_SECONDS", 0.01)
    service = RegistryServer(tmp_path / "registry")
    service.start()
    assert endless(service, path).code() == grpc.StatusCode.CANCELLED
    service.stop(grace=1)


def test_a_message_without_end_in_the_middle_of_a_push_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MOST_GROWTH", HUGE // 8)
    monkeypatch.setattr(waits, "LOOK_SECONDS", 0.01)
    service = RegistryServer(tmp_path / "registry")
    service.start()
    (tmp_path / "files").mkdir()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        made = World(registry, tmp_path / "files", Signer.open(tmp_path / "key"))
        made.define()
        receipt, _ = a_large_import(made)
        begin = PushRequest(begin=Begin(protocol=PROTOCOL, sealed=made.seal(receipt).to_json()))
        ended = endless(service, CALLS["push"].path, begin.SerializeToString())
    assert ended.code() == grpc.StatusCode.CANCELLED
    service.stop(grace=1)


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


@contextmanager
def asking_for_long_answers(folder: Path) -> Iterator[Callable[[], Any]]:
    """A function that asks a service for a long answer, and returns the call once the answer is on its way."""
    service = RegistryServer(folder)
    service.start()
    with ExitStack() as stack:
        stack.callback(lambda: service.stop(grace=1))
        round = RoundRecord(id="long", name="long", spec=" " * 2**17, state="requested", created=1, changed=1)
        stack.enter_context(closing(open_registry(service.address))).rounds.request_round(round)
        channel = stack.enter_context(grpc.insecure_channel(service.address.removeprefix("grpc://"), options=NARROW))
        asked = CallRequest(protocol=PROTOCOL, json=b'{"id_or_name":"long"}').SerializeToString()

        def ask() -> Any:
            call = channel.stream_stream(CALLS["round"].path, None, None)(iter([asked]))
            call.initial_metadata()
            return call

        yield ask


def is_ended(call: Any) -> bool:
    """Whether the service has ended a call before its answer was read, which is read now."""
    try:
        list(call)
    except grpc.RpcError as error:
        return bool(error.code() == grpc.StatusCode.CANCELLED)
    return False


def test_an_answer_that_is_not_read_in_time_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking_for_long_answers(tmp_path / "registry") as ask:
        assert not is_ended(ask())
        monkeypatch.setattr(unread, "READ_SECONDS", 0.1)
        for pause in (1, 2, 4, 8, 16, 32):  # a busy machine may be late
            call = ask()
            time.sleep(pause)
            if is_ended(call):
                return
        raise AssertionError("the service keeps an answer that nobody reads")


def test_the_oldest_answers_that_nobody_reads_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "MOST_BYTES", 2**18 + 2**17)
    with asking_for_long_answers(tmp_path / "registry") as ask:
        assert [is_ended(call) for call in [ask() for _ in range(4)]] == [True, True, False, False]


def test_a_watcher_who_reads_nothing_loses_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "READ_SECONDS", 0.2)
    monkeypatch.setattr(servicer, "MOST_WATCHERS", 1)
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with ExitStack() as stack:
        stack.callback(lambda: service.stop(grace=1))
        registry = stack.enter_context(closing(open_registry(service.address)))
        for _ in range(20):
            registry.rounds.note("one", "note", "subject", 400 * "x")
        channel = stack.enter_context(grpc.insecure_channel(service.address.removeprefix("grpc://"), options=NARROW))
        watch = channel.unary_stream(CALLS["watch"].path, WatchRequest.SerializeToString, WatchReply.FromString)
        call = cast(Any, watch(WatchRequest(protocol=PROTOCOL, after=0)))
        next(call)  # it has the only place
        once_reachable(lambda: next(iter(registry.rounds.watch(after=0))))
        call.cancel()
