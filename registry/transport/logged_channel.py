"""A gRPC channel that logs every message in the outbox before it is sent, for a node's connections to a registry.

Every method of a connection is logged, also one that is added later. The log has the kind, digest and question of the
arguments, never their values, since some are secrets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import grpc

from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.outbox import Message, Outbox
from ratatouille.record import canonical_json, sha256
from registry.proto.registry_pb2 import CallRequest, PushRequest
from registry.transport.messages import Piece
from registry.transport.wire import CALLS

_KINDS = {
    "withdraw_offer": "end of offer",
    "release": "end of lease",
    "close_question": "closure",
    "reopen_question": "reopening",
    "enrol": "enrolment",
    "add_node": "enrolment",
    "open_session": "session",
}
"""Kinds by method, where the kind is not the method's name."""
_PASSING = ("issued", "seconds", "expires", "done", "total", "doing")
"""Fields that differ between a record and its renewal."""
_BY_PATH = {call.path: call for call in CALLS.values()}


class LoggedChannel:
    """The part of `grpc.Channel` that a connection uses."""

    def __init__(self, channel: grpc.Channel, outbox: Outbox) -> None:
        self._channel, self._outbox = channel, outbox

    def unary_unary(self, path: str, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> Any:
        """A call with one message each way."""
        return self._logging(self._channel.unary_unary(path, _as_it_is, read), path, write)

    def unary_stream(self, path: str, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> Any:
        """A call with one message there and several back."""
        return self._logging(self._channel.unary_stream(path, _as_it_is, read), path, write)

    def stream_stream(self, path: str, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> Any:
        """A call with several messages each way."""
        call = self._channel.stream_stream(path, _as_it_is, read)

        def call_logged(requests: Iterator[Any], **named: Any) -> Any:
            logged = self._each_logged(requests, path, write)
            first = next(logged)  # here, so that the caller hears it where it cannot be logged
            return call(chain((first,), logged), **named)

        return call_logged

    def close(self) -> None:
        """Log what was counted, and close the channel."""
        self._outbox.flush()
        self._channel.close()

    def _logging(self, call: Callable[..., Any], path: str, write: Callable[[Any], bytes]) -> Callable[..., Any]:
        def call_logged(request: Any, **named: Any) -> Any:
            data = write(request)
            self._outbox.log(message_of(path, request, len(data)))
            return call(data, **named)

        return call_logged

    def _each_logged(self, requests: Iterator[Any], path: str, write: Callable[[Any], bytes]) -> Iterator[bytes]:
        for request in requests:
            data = write(request)
            if isinstance(request, PushRequest) and request.WhichOneof("step") == "begin":
                self._outbox.keep_receipt(request.begin.sealed)
            self._outbox.log(message_of(path, request, len(data)))
            yield data
        self._outbox.flush()


def message_of(path: str, request: Any, size: int) -> Message:
    """The entry in the log for one request of so many bytes."""
    if isinstance(request, Piece):
        return Message("weights", size, digest=request.digest)
    if isinstance(request, PushRequest):
        return _receipt_message(Sealed.from_json(request.begin.sealed), size)
    name = _BY_PATH[path].name if path in _BY_PATH else path.rpartition("/")[2].lower()
    if isinstance(request, CallRequest) and (bodies := list(_sealed_bodies(json.loads(request.json)))):
        body = bodies[0]
        values = json.loads(body)
        about = next((str(values[key]) for key in ("work_id", "question", "version") if values.get(key)), "")
        return Message(_kind(name), size, about, sha256(body.encode()), sha256(canonical_json(_lasting(values))))
    declared = _BY_PATH.get(path)
    if declared is not None and declared.method.declaration.role in ("anyone", "reader"):
        return Message("question", size, name, same_as=name)
    return Message(_kind(name), size)


def every_kind() -> set[str]:
    """The kinds that messages of a connection may have."""
    return {"weights", "receipt", "counts", "question", *map(_kind, {call.name for call in CALLS.values()})}


def _kind(name: str) -> str:
    return _KINDS.get(name, name.replace("_", " "))


def _receipt_message(sealed: Sealed, size: int) -> Message:
    """Counts for an answer that makes no weights, else a receipt."""
    receipt = Receipt.from_json(sealed.body)
    kind = "receipt" if receipt.makes_weights else "counts"
    return Message(kind, size, receipt.work_id, receipt.digest)


def _lasting(value: Any) -> Any:
    """A record without the fields in which its renewals differ."""
    if isinstance(value, dict):
        return {key: _lasting(inner) for key, inner in value.items() if key not in _PASSING}
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value


def _sealed_bodies(arguments: dict[str, Any]) -> Iterator[str]:
    """The signed records among the arguments of a call."""
    for value in arguments.values():
        if isinstance(value, dict) and {"body", "signature"} <= value.keys():
            yield value["body"]


def _as_it_is(data: bytes) -> bytes:
    return data
