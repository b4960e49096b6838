"""Dispatch: the messages of one Flower run to its nodes and back, over Flower's Grid, without ever blocking.

It asks every new Flower node who it is, carries bytes to nodes and collects what they answer. It keeps no plan: which
node gets what, and what a reply means, is decided in `rounds`. Send a node its second order while it works on the
first: a SuperNode that finds a message waiting skips its pause of 3 seconds.

`ReplyPuller` pulls the objects of a reply with limits, so that no node can stop a round by what it sends, or leaves
out. Flower's own way waits minutes for a reply that is never completed, and any error in one ends the whole
ServerApp. Here a reply is put together before it counts, and all waiting together has a small allowance.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flwr.app import Message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, inflate_object_from_contents, pull_objects

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.bundle import INTRODUCE, WORK, pack, unpack
from ratatouille.exchange.order import introduced
from ratatouille.failure import LARGEST_COUNT, UNREADABLE, Failure, failure_of, parsed

_log = logging.getLogger(__name__)
POLL_SECONDS = 1.0
"""How long a round should sleep between two calls of `poll`: each costs the SuperLink some 40 ms of a processor that
trainings on the same machine could use, and busy nodes have their next order already."""

_QUESTIONS = 3
"""How often a new node is asked who it is; `Dispatch.nodes` says why."""
_LOST = (
    ErrorCode.NODE_UNAVAILABLE,
    ErrorCode.MESSAGE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
    ErrorCode.CLIENT_APP_CRASHED,
)
NO_REPLY = "it is no reply of a node of ours"
"""Ends the reason of the error that stands in the place of a reply that cannot be put together."""
_MOST_OBJECTS = 20
"""A reply of ours has three."""
_ALLOWANCE, _REFILL = 2.0, 0.2
"""Seconds that may be spent at once on waiting for replies, and those that each passing second adds again."""
_FIRST_PAUSE = 0.05


@dataclass(frozen=True)
class Reply:
    """A reply to a message: the node's bytes, or why there are none. A node's own text is never kept."""

    node: int
    message: str
    body: bytes | None = None
    failure: Failure | None = None
    lost: bool = False
    """With a failure: node or executor went away, or the message expired; the order may simply be given again."""


class Dispatch:
    """The messages of one Flower run. Flower's node numbers are valid for this run only; our node keys are for ever."""

    def __init__(self, grid: Grid, seconds_to_live: float = 7 * 24 * 3600.0) -> None:
        self._grid = grid
        self._seconds_to_live = seconds_to_live
        self._sent: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._keys: dict[int, str | None] = {}
        """Flower node → our key; None until it has introduced itself, empty when it cannot."""

    def nodes(self) -> dict[int, str]:
        """The nodes that are online and have introduced themselves: Flower node number → our node key.

        New ones are asked, and appear here once `poll` has seen their answer. When two claim one key, because a node
        was killed and came back before Flower noticed, the later one counts.
        """
        online = set(self._grid.get_node_ids())
        for node in sorted(online - self._keys.keys()):
            # Several times, because a SuperNode that finds nothing after its answer pauses for 3 seconds: the later
            # questions keep it from that pause while its first order is on the way.
            for _ in range(_QUESTIONS):
                self._asked[self._push(node, INTRODUCE, b"")] = node
            self._keys[node] = None  # Only now: a node that could not be asked is new at the next look too.
        for node in self._keys.keys() - online:
            del self._keys[node]
        latest = {key: node for node, key in self._keys.items() if key}
        return {node: key for key, node in latest.items()}

    def send(self, node: int, order: bytes) -> str:
        """Hand an order to a node and return its message id; a busy node gets it when it is free.

        Raises:
            Unreachable: when Flower does not take the message.
        """
        message = self._push(node, WORK, order)
        self._sent[message] = node
        return message

    def poll(self) -> list[Reply]:
        """What has come back since the last call; returns at once."""
        waiting = [*self._sent, *self._asked]
        replies = []
        for message in self._grid.pull_messages(waiting) if waiting else ():
            answered = message.metadata.reply_to_message_id
            if answered in self._asked:
                self._note_introduction(self._asked.pop(answered), message)
            elif answered in self._sent:
                replies.append(_reply(self._sent.pop(answered), answered, message))
        return replies

    def _note_introduction(self, node: int, message: Message) -> None:
        """Note which key a node has. One whose answer cannot be used gets no orders in this run."""
        if node not in self._keys or self._keys[node]:
            return
        if message.has_error() and _is_lost(message):
            del self._keys[node]  # Its executor was restarted, say; it will be asked again.
            return
        key = ""
        try:
            key = introduced(_body(message), node, int(self._grid.run.run_id))
        except _NoBody as error:
            self._leave_out(node, error.failure)
        except Refusal as error:  # its words may quote what the node sent
            self._leave_out(node, failure_of(error) if error.code == "other-release" else UNREADABLE)
        del self._keys[node]  # Put last, so that the later of two with one key counts.
        self._keys[node] = key

    def _leave_out(self, node: int, failure: Failure) -> None:
        if self._keys[node] is None:
            _log.warning("Flower node %s is left out: %s [%s]", node, failure.sentence(), failure.code)

    def _push(self, node: int, kind: str, body: bytes) -> str:
        message = Message(pack(body), dst_node_id=node, message_type=kind, ttl=self._seconds_to_live)
        ids = list(self._grid.push_messages([message]))
        if not ids or not ids[0]:
            raise Unreachable(f"Flower did not take a message for node {node}; the SuperLink's log says why")
        return ids[0]


def _reply(node: int, sent: str, message: Message) -> Reply:
    try:
        return Reply(node, sent, body=_body(message))
    except _NoBody as error:
        return Reply(node, sent, failure=error.failure, lost=_is_lost(message))
    except Refusal:
        return Reply(node, sent, failure=UNREADABLE)


def _is_lost(message: Message) -> bool:
    """Whether an error says that the order may simply be given again; a reply that is none is a failure."""
    return message.error.code in _LOST and not (message.error.reason or "").endswith(NO_REPLY)


class _NoBody(Exception):
    """An error came instead of a reply."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def _body(message: Message) -> bytes:
    """The bytes of a reply.

    Raises:
        _NoBody: for an error that came instead: its code if it is one of ours, else the number that Flower gave it.
        Refusal: for content that is no reply.
    """
    if message.has_error():
        failure = parsed(message.error.reason or "")
        if failure == UNREADABLE:
            failure = Failure(code="flower", counts={"number": min(max(0, int(message.error.code)), LARGEST_COUNT)})
        raise _NoBody(failure)
    return unpack(message.content)


class ReplyPuller:
    """Stands in the place of Flower's `pull_objects` where the ServerApp pulls replies."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = _ALLOWANCE
        self._looked = clock()

    def __call__(self, object_ids: Sequence[str], pull_object_fn: Callable[[str], bytes]) -> dict[str, bytes]:
        """The objects of one reply by id; its message is the last of them.

        Raises:
            ObjectPullError: when they do not come in time, or are no reply. Flower answers with an error then.
        """
        if len(object_ids) > _MOST_OBJECTS:
            raise ObjectPullError(object_ids[-1], NO_REPLY)
        began = self._clock()
        self._left = min(_ALLOWANCE, self._left + (began - self._looked) * _REFILL)
        try:
            found = pull_objects(
                list(object_ids), pull_object_fn, max_time=max(0.0, self._left), initial_backoff=_FIRST_PAUSE
            )
        finally:
            self._looked = self._clock()
            self._left = max(0.0, self._left - (self._looked - began))
        _refuse_broken(object_ids[-1], found)
        return found


def _refuse_broken(message_id: str, found: dict[str, bytes]) -> None:
    """Put a message together from its objects, to see that it can be done.

    Raises:
        ObjectPullError: when it cannot.
    """
    try:
        made = inflate_object_from_contents(message_id, dict(found))
        fits = isinstance(made, Message) and (made.has_error() or made.has_content())
    except Exception as error:  # any error that Flower raises over foreign bytes
        raise ObjectPullError(message_id, NO_REPLY) from error
    if not fits:
        raise ObjectPullError(message_id, NO_REPLY)
