"""The codec between our bytes and Flower messages, and the kinds of message there are; one for both sides.

A message holds one record with one entry. Flower knows the prefixes train, evaluate and query; ours are queries,
because to Flower they are questions with short answers, whatever the node does to find them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratatouille.errors import Refusal

if TYPE_CHECKING:
    from flwr.app import RecordDict

WORK = "query.work"
"""The message type of an order; its answer is the worker's reply."""
INTRODUCE = "query.introduce"
"""The message type that asks which of our nodes a Flower node is."""

_RECORD, _ENTRY = "ratatouille", "body"


def pack(body: bytes) -> RecordDict:
    """A message's content that carries these bytes."""
    from flwr.app import ConfigRecord, RecordDict

    return RecordDict({_RECORD: ConfigRecord({_ENTRY: body})})


def unpack(content: RecordDict) -> bytes:
    """The bytes that a message's content carries.

    Raises:
        Refusal: when another program made the message.
    """
    record = content.config_records.get(_RECORD)
    body = record.get(_ENTRY) if record is not None else None
    if not isinstance(body, bytes):
        raise Refusal("a Flower message does not carry what this version expects; do both sides run the same version?")
    return body
