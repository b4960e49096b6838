"""Software 0.1 calls every method as `Registry/Call`: what it sent is answered as it was then.

The conversation was recorded between a client and a service of 0.1: bytes of each message, in hexadecimal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from registry.proto.registry_pb2 import CallReply, CallRequest, PushReply, WatchReply
from registry.server import RegistryServer
from registry.transport.credentials import Metadata
from registry.transport.wire import SERVICE
from tests.registry.tokens import as_owner

CONVERSATION = json.loads((Path(__file__).parent / "fixtures" / "conversation_0_1.json").read_text())
TIMES = {"at", "created"}
MACHINES = {"database", "software"}


def same(then: Any, now: Any) -> None:
    """Everything that was said then is said now; times and names of software differ, and there may be new fields."""
    if isinstance(then, dict):
        for key in then.keys() - TIMES - MACHINES:
            same(then[key], now[key])
    elif isinstance(then, list):
        assert len(then) == len(now)
        for before, after in zip(then, now, strict=True):
            same(before, after)
    else:
        assert then == now


def call(channel: grpc.Channel, step: dict[str, Any], metadata: Metadata) -> list[bytes]:
    """Send what was sent, and return what is answered."""
    path, sent = f"/{SERVICE}/{step['call']}", [bytes.fromhex(message) for message in step["sent"]]
    if step["call"] == "Call":
        return [channel.unary_unary(path, bytes, bytes)(sent[0], timeout=30, metadata=metadata)]
    if step["call"] == "Push":
        return list(channel.stream_stream(path, bytes, bytes)(iter(sent), timeout=30, metadata=metadata))
    answers: Any = channel.unary_stream(path, bytes, bytes)(sent[0], timeout=30, metadata=metadata)
    found = [next(answers) for _ in step["answered"]]
    answers.cancel()
    return found


def words(step: dict[str, Any], message: bytes) -> Any:
    """What a message says, as JSON where it has some."""
    if step["call"] == "Call":
        return json.loads(CallReply.FromString(message).json)
    reply: Any = {"Push": PushReply, "Watch": WatchReply}.get(step["call"])
    if reply is None:
        return message
    read = reply.FromString(message)
    which = read.WhichOneof("step")
    return json.loads(getattr(read, which)) if which in ("result", "event") else message


def test_what_a_client_of_0_1_sent_is_answered_as_it_was_then(tmp_path: Path) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    owner = as_owner(service.address)  # 0.1 opened no sessions: by itself it may read only
    with grpc.insecure_channel(service.address.removeprefix("grpc://")) as channel:
        for step in CONVERSATION:
            if "refused" in step:
                with pytest.raises(grpc.RpcError) as caught:
                    call(channel, step, owner)
                assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
                assert caught.value.details() == step["refused"]
                continue
            answered = call(channel, step, owner)
            for then, now in zip(step["answered"], answered, strict=True):
                same(words(step, bytes.fromhex(then)), words(step, now))
    service.stop(grace=1)


def test_the_recorded_conversation_has_every_kind_of_call() -> None:
    assert {step["call"] for step in CONVERSATION} == {"Call", "Fetch", "Push", "Watch"}
    calls = [bytes.fromhex(step["sent"][0]) for step in CONVERSATION if step["call"] == "Call"]
    names = {CallRequest.FromString(message).method for message in calls}
    assert {"info", "define_task", "log", "show", "results", "resolve"} <= names
