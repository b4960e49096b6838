"""Pulling replies: what a node sends, or leaves out, ends no round and makes nobody wait for long."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from flwr.app import ConfigRecord, Message, Metadata, RecordDict
from flwr.app.error import Error
from flwr.app.message import make_message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectUnavailableError

from coordinator.dispatch import NO_REPLY, Dispatch, Reply, ReplyPuller
from ratatouille.exchange.bundle import pack


def metadata(answered: str = "asked") -> Metadata:
    return Metadata(
        run_id=1,
        message_id="",
        src_node_id=7,
        dst_node_id=1,
        reply_to_message_id=answered,
        group_id="",
        created_at=time.time(),
        ttl=60.0,
        message_type="query.work",
    )


def objects_of(message: Any) -> tuple[list[str], dict[str, bytes]]:
    """Ids in the order of Flower's trees, and the bytes of each."""
    found = {id: one.deflate() for id, one in get_all_nested_objects(message).items()}
    return [*(id for id in found if id != message.object_id), message.object_id], found


def test_a_reply_of_ours_is_pulled() -> None:
    ids, found = objects_of(make_message(metadata=metadata(), content=pack(b"a hint")))
    assert ReplyPuller()(ids, found.__getitem__) == found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ids, found: found | {ids[-1]: b""},
        lambda ids, found: found | {ids[-1]: b"Message\x00" + b"\xff" * 30},
        lambda ids, found: found | {ids[0]: b"NoSuchThing 0\x00"},
        lambda ids, found: found | {ids[-1]: RecordDict({"a": ConfigRecord({"b": 1})}).deflate()},
        lambda ids, found: found | {ids[-1]: ConfigRecord({"b": 1}).deflate()},
    ],
)
def test_what_is_no_message_becomes_an_error_and_ends_nothing(spoil: Any) -> None:
    ids, found = objects_of(make_message(metadata=metadata(), content=pack(b"a hint")))
    with pytest.raises(ObjectPullError, match=NO_REPLY):
        ReplyPuller()(ids, spoil(ids, found).__getitem__)


def test_a_reply_of_very_many_objects_is_not_pulled_at_all() -> None:
    def never(id: str) -> bytes:
        raise AssertionError(id)

    with pytest.raises(ObjectPullError, match=NO_REPLY):
        ReplyPuller()([f"{number:064x}" for number in range(10_000)], never)


def test_replies_that_are_never_completed_share_one_short_allowance() -> None:
    tried = []

    def unavailable(id: str) -> bytes:
        tried.append(id)
        raise ObjectUnavailableError(id)

    puller = ReplyPuller()
    with pytest.raises(ObjectPullError):
        puller(["a" * 64], unavailable)
    first = len(tried)
    assert first > 3, "it waits for the first"
    for _ in range(20):
        with pytest.raises(ObjectPullError):
            puller(["a" * 64], unavailable)
    assert len(tried) - first < 20 * (first - 1), "little is left for the others"
    ids, found = objects_of(make_message(metadata=metadata(), content=pack(b"a hint")))
    assert puller(ids, found.__getitem__) == found, "one that is complete needs no allowance"


class OneReply:
    """A grid with one node, whose reply to the first order is this message."""

    def __init__(self, error: Error) -> None:
        self.error = error

    def push_messages(self, messages: Any) -> list[str]:
        return ["asked"]

    def pull_messages(self, ids: Any) -> list[Message]:
        return [make_message(metadata=metadata(), error=self.error)]


def replied(monkeypatch: pytest.MonkeyPatch, error: Error) -> Reply:
    monkeypatch.setattr("coordinator.dispatch.Message", lambda content, **_: content)
    lane = Dispatch(cast(Grid, OneReply(error)))
    lane.send(7, b"an order")
    (reply,) = lane.poll()
    return reply


@pytest.mark.parametrize("number", [2**62, -(2**62), 2**53, ErrorCode.MESSAGE_UNAVAILABLE])
@pytest.mark.parametrize("reason", ["whatever /home/anna", f"x: {NO_REPLY}"])
def test_an_error_that_no_node_sealed_is_a_lost_order_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    reply = replied(monkeypatch, Error(number, reason))
    assert (reply.body, reply.failure) == (None, None)
    assert reply.lost == f"it is error {number} of Flower, and no signed failure"
