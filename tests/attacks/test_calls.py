"""Somebody who calls the registry with long texts, long lists, and large numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic_core import to_json

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.receipt import Receipt
from registry.proto.registry_pb2 import CallReply, CallRequest, FetchReply, FetchRequest
from registry.records import RoundRecord
from registry.server import RegistryServer
from registry.services.registry import Registry
from registry.transport import wire
from registry.transport.credentials import Metadata
from registry.transport.statuses import LARGEST_STATUS, TooLarge, fitted
from registry.transport.wire import CALLS, LARGEST_ARGUMENTS, LARGEST_REQUEST, LARGEST_SLOW_ARGUMENTS, OURS
from tests.attacks.registry_world import served_world
from tests.registry.tokens import as_owner
from tests.registry.world import World

MANY = 40_000
MORE = 300_000
"""More values than SQLite takes in one query."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as made:
        yield made


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RegistryServer]:
    started = RegistryServer(tmp_path / "another")
    started.start()
    yield started
    started.stop(grace=1)


@pytest.fixture
def channel(service: RegistryServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.address.removeprefix("grpc://")) as opened:
        yield opened


def refused(channel: grpc.Channel, name: str, json: bytes, metadata: Metadata = ()) -> Any:
    """The error that a call ends with."""
    call = channel.unary_unary(CALLS[name].path, CallRequest.SerializeToString, CallReply.FromString)
    with pytest.raises(grpc.RpcError) as caught:
        call(CallRequest(protocol=PROTOCOL, json=json), timeout=30, metadata=metadata)
    return caught.value


@pytest.mark.parametrize("letter", ["x", "é", "字", "😀", "%", "\x07"])
def test_a_refusal_that_repeats_a_long_text_arrives(channel: grpc.Channel, letter: str) -> None:
    error = refused(channel, "info", to_json({f"{letter * 3000}": 1}))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert OURS in tuple(error.trailing_metadata())
    assert len(error.details()) < 400
    error = refused(channel, "best", to_json({"task": letter * 3000}))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert OURS in tuple(error.trailing_metadata())


@pytest.mark.parametrize("letter", ["x", "é", "字", "😀", "%", "\x07", "\ud800"])
def test_a_sentence_of_any_letters_fits_a_status(letter: str) -> None:
    assert fitted(f"no {letter}") == f"no {letter}"
    room = sum(1 if " " <= one <= "~" and one != "%" else 3 * len(one.encode(errors="replace")) for one in letter)
    assert room * len(fitted(letter * 5000)) <= LARGEST_STATUS


def test_a_refusal_of_a_record_repeats_the_beginning_of_a_value_only() -> None:
    with pytest.raises(Refusal, match="this receipt cannot be read: assignment: input tag 'xxx") as caught:
        Receipt.from_json(to_json({"assignment": {"kind": "x" * 3000}, "node": "0" * 64}))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("name", "largest"), [("log", LARGEST_ARGUMENTS), ("combine", LARGEST_SLOW_ARGUMENTS)])
def test_arguments_that_would_fill_the_memory_are_not_read(
    service: RegistryServer, channel: grpc.Channel, name: str, largest: int
) -> None:
    error = refused(channel, name, b"[" + b"[]," * (largest // 3) + b"[]]", as_owner(service.address))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"the arguments of {name} have" in error.details()
    assert OURS in tuple(error.trailing_metadata())


@pytest.mark.parametrize("name", ["challenge", "log"])
def test_longer_messages_than_any_argument_are_not_even_received(channel: grpc.Channel, name: str) -> None:
    error = refused(channel, name, bytes(LARGEST_REQUEST))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "message larger than max" in error.details()


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_message_that_would_be_longer_unpacked_is_not_unpacked(
    channel: grpc.Channel, compression: grpc.Compression
) -> None:
    for path in (CALLS["info"].path, "/grpc.health.v1.Health/Check"):
        call = channel.unary_unary(path, CallRequest.SerializeToString, lambda answer: answer)
        asked = CallRequest(protocol=PROTOCOL, json=b"{}" + b" " * 2**20)
        with pytest.raises(grpc.RpcError) as caught:
            call(asked, timeout=30, compression=compression)
        assert caught.value.code() != grpc.StatusCode.DEADLINE_EXCEEDED


def test_calls_whose_messages_cannot_be_read_are_over_and_the_service_ends(tmp_path: Path) -> None:
    service = RegistryServer(tmp_path / "garbled")
    service.start()
    with grpc.insecure_channel(service.address.removeprefix("grpc://")) as channel:
        for name in 10 * ("info", "log", "fetch", "watch", "push"):
            call = channel.stream_stream(CALLS[name].path, bytes, bytes)
            with pytest.raises(grpc.RpcError) as caught:
                list(call(iter([b"\xff\xff garbled"]), timeout=60))
            assert caught.value.code() != grpc.StatusCode.DEADLINE_EXCEEDED
    ending = threading.Thread(target=service.stop, args=(1,), daemon=True)
    ending.start()
    ending.join(60)
    assert not ending.is_alive()


def test_a_client_asks_for_less_at_once_where_a_question_is_too_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = world.probed()
    monkeypatch.setattr(wire, "LARGEST_ARGUMENTS", 500)
    asked = [known.work_id, *(f"{number:064x}" for number in range(20))]
    assert world.registry.work.results(asked).keys() == {known.work_id}
    with pytest.raises(TooLarge, match="ask for less at once"):
        world.registry.work.closures(asked)


ASKED: dict[str, tuple[Callable[[Registry], object], str]] = {
    "a round": (lambda registry: registry.rounds.round("x" * 100_000), "there is no round"),
    "no round": (lambda registry: registry.rounds.round(""), "there is no round ''"),
    "a domain without a name": (lambda registry: registry.versions.best("pets", ""), "'' is no name of a domain"),
    "a long domain": (lambda registry: registry.versions.best("pets", "😀" * 3000), "is no name of a domain"),
    "many ancestors": (
        lambda registry: registry.versions.ancestry([f"{number:064x}" for number in range(MANY)]),
        f"{MANY} versions are asked for at once; 10000 are the most",
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_is_much_too_long_is_refused_with_a_sentence(world: World, what: str) -> None:
    given = {"id": "r1", "name": "summer", "spec": "{}", "state": "requested", "created": 1.0, "changed": 1.0}
    world.registry.rounds.request_round(RoundRecord.model_validate(given))
    ask, sentence = ASKED[what]
    with pytest.raises(Refusal, match=sentence):
        ask(world.registry)


def test_states_of_rounds_may_be_said_any_number_of_times(world: World) -> None:
    assert world.registry.rounds.rounds(["done"] * MORE) == []


@pytest.mark.parametrize("offset", [2**63 - 1, 2**63, 2**64 - 1])
def test_weights_end_where_they_end(world: World, offset: int) -> None:
    digest = str(world.foundation().featurizer)
    connection: Any = world.registry
    fetch = connection._connection.fetch
    replies = list(fetch(FetchRequest(protocol=PROTOCOL, digest=digest, offset=offset), timeout=30))
    assert [type(reply) for reply in replies] == [FetchReply]
