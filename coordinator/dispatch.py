"""Dispatch: the messages of one Flower run to its nodes and back, over Flower's Grid, without ever blocking.

It asks every new Flower node who it is, carries bytes to nodes and collects what they answer. It keeps no plan: which
node gets what, and what a reply means, is decided in `rounds`. Send a node its second order while it works on the
first: a SuperNode that finds a message waiting skips its pause of 3 seconds.

A reply counts if the node's key sealed it for this very message. A stranger who copies a header of Flower's node
authentication can send messages in the node's name for five minutes, also errors that look like Flower's own, and can
take messages away. So all else that comes says only that the order may be given again, after a pause. For the same
reason an introduction counts only if the node that signed it has entered the key which its Flower node shows.

`ReplyPuller` pulls the objects of a reply with limits, so that no node can stop a round by what it sends, or leaves
out. Flower's own way waits minutes for a reply that is never completed, and any error in one ends the whole
ServerApp. Here a reply is put together before it counts, and all waiting together has a small allowance.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flwr.app import Message
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, inflate_object_from_contents, pull_objects

from coordinator.matching import Pauses
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.bundle import INTRODUCE, WORK, pack, unpack
from ratatouille.exchange.order import Hint, introduced, unseal_reply
from ratatouille.failure import UNREADABLE, Failure, failure_of
from ratatouille.processes.throttle import Throttle

_log = logging.getLogger(__name__)
POLL_SECONDS = 1.0
"""How long a round should sleep between two calls of `poll`: each costs the SuperLink some 40 ms of a processor that
trainings on the same machine could use, and busy nodes have their next order already."""

_QUESTIONS = 3
"""How often a new node is asked at first who it is; `Dispatch.nodes` says why."""
_FIRST_QUESTION, _LAST_QUESTION = 60.0, 3600.0
"""Seconds after which a node that has not said who it is, or not so that it can be used, is asked again; each time it
is twice as long. Its worker may be busy with an order of an earlier run, or a stranger has taken the question."""
_FIRST_RETURN, _LAST_RETURN = 2.0, 60.0
"""Seconds until an order may be given again to a node whose reply did not count; each time it is twice as long."""
NO_REPLY = "it is no reply of a node of ours"
"""Ends the reason of the error that stands in the place of a reply that cannot be put together."""
_MOST_OBJECTS = 20
"""A reply of ours has three."""
_ALLOWANCE, _REFILL = 2.0, 0.2
"""Seconds that may be spent at once on waiting for replies, and those that each passing second adds again."""
_FIRST_PAUSE = 0.05


@dataclass(frozen=True)
class Reply:
    """A reply to a message: what the node sealed, its bytes or a failure. A node's own text is never kept."""

    node: int
    message: str
    body: bytes | None = None
    failure: Failure | None = None
    lost: str = ""
    """Why no reply counts: the order may simply be given again."""

    @property
    def refusal(self) -> Failure | None:
        """Why the node did not do the work; None when it did, or another node does."""
        if self.body is None:
            return self.failure or UNREADABLE
        try:
            hint = Hint.from_json(self.body)
        except Refusal:
            return UNREADABLE
        return (hint.failure or UNREADABLE) if hint.outcome in ("refused", "failed") else None


@dataclass(frozen=True)
class _Sent:
    """A message under way: to which Flower node, which of our nodes that was, and what it carries."""

    node: int
    key: str | None
    body: bytes


class Dispatch:
    """The messages of one Flower run. Flower's node numbers are valid for this run only; our node keys are for ever."""

    def __init__(
        self,
        grid: Grid,
        seconds_to_live: float = 7 * 24 * 3600.0,
        clock: Callable[[], float] = time.monotonic,
        entered: Callable[[], Mapping[bytes, str]] | None = None,
    ) -> None:
        """`entered` gives our nodes by their keys for Flower, as the registry has them; None where the SuperLink checks
        no keys.
        """
        self._grid = grid
        self._entered = entered
        self._seconds_to_live = seconds_to_live
        self._clock = clock
        self._sent: dict[str, _Sent] = {}
        self._asked: dict[str, _Sent] = {}
        self._keys: dict[int, str | None] = {}
        """Flower node → our key; None until it has introduced itself, empty when it cannot."""
        self._shown: dict[int, bytes] = {}
        """Flower node → the key that it shows to Flower."""
        self._spoiled: set[int] = set()
        """Flower nodes for which something came that is no introduction of theirs: they are asked again soon."""
        self._questions = Pauses(_FIRST_QUESTION, _LAST_QUESTION, clock)
        self._returns = Pauses(_FIRST_RETURN, _LAST_RETURN, clock)
        self._lost: list[tuple[float, Reply]] = []
        """Orders without a reply that counts, and from when they may be given again."""
        self._throttle = Throttle(clock=clock)

    def nodes(self) -> dict[int, str]:
        """The nodes that are online and have introduced themselves: Flower node number → our node key.

        New ones are asked, and appear here once `poll` has seen their answer. When two claim one key, because a node
        was killed and came back before Flower noticed, the later one counts.
        """
        self._shown = {node.node_id: node.public_key for node in self._grid.get_nodes()}
        online = set(self._shown)
        unknown = {node for node, key in self._keys.items() if not key and self._is_to_be_asked(node)}
        for node in sorted(online & (online - self._keys.keys() | unknown)):
            # Several times at first, because a SuperNode that finds nothing after its answer pauses for 3 seconds: the
            # later questions keep it from that pause while its first order is on the way.
            for _ in range(1 if node in self._keys else _QUESTIONS):
                self._asked[self._push(node, INTRODUCE, b"")] = _Sent(node, None, b"")
            self._keys.setdefault(node)  # Only now: a node that could not be asked is new at the next look too.
            self._questions.begin(str(node))
            if node in self._spoiled:
                self._spoiled.remove(node)
                self._returns.begin(str(node))
        for node in self._keys.keys() - online:
            del self._keys[node]
            self._questions.end(str(node))
        latest = {key: node for node, key in self._keys.items() if key}
        return {node: key for key, node in latest.items()}

    def send(self, node: int, order: bytes) -> str:
        """Hand an order to a node and return its message id; a busy node gets it when it is free.

        Raises:
            Unreachable: when Flower does not take the message.
        """
        message = self._push(node, WORK, order)
        self._sent[message] = _Sent(node, self._keys.get(node) or "", order)
        return message

    def poll(self) -> list[Reply]:
        """What has come back since the last call; returns at once. An order that is lost comes back after a pause."""
        waiting = [*self._sent, *self._asked]
        replies = []
        for message in self._grid.pull_messages(waiting) if waiting else ():
            answered = message.metadata.reply_to_message_id
            if answered in self._asked:
                self._note_introduction(self._asked.pop(answered).node, answered, message)
            elif answered in self._sent:
                sent = self._sent.pop(answered)
                reply = _read(sent, answered, message)
                if reply.lost:
                    self._note_loss(sent, reply)
                else:
                    self._returns.end(str(sent.node))
                    replies.append(reply)
        now = self._clock()
        replies += [reply for due, reply in self._lost if due <= now]
        self._lost = [(due, reply) for due, reply in self._lost if due > now]
        return replies

    def _is_to_be_asked(self, node: int) -> bool:
        return self._questions.over(str(node)) or (node in self._spoiled and self._returns.over(str(node)))

    def _note_introduction(self, node: int, asked: str, message: Message) -> None:
        """Note which key a node has. One whose answer cannot be used gets no orders until it gives another one."""
        if node not in self._keys or self._keys[node]:
            return
        key = ""
        try:
            owner = self._owner(node)
            if message.has_error():
                reply = unseal_reply(message.error.reason or "", owner, asked, b"")
                self._leave_out(node, reply.failure or UNREADABLE)
            else:
                key = introduced(unpack(message.content), node, int(self._grid.run.run_id))
                if owner not in (None, key):
                    self._note_foreign(node, key, owner or "")
                    return
        except Unreachable:
            self._spoiled.add(node)
            return
        except Refusal as error:  # its words may quote what the node sent
            if message.has_error():
                self._spoiled.add(node)
                return
            self._leave_out(node, failure_of(error) if error.code == "other-release" else UNREADABLE)
        del self._keys[node]  # Put last, so that the later of two with one key counts.
        self._keys[node] = key

    def _owner(self, node: int) -> str | None:
        """The node of ours that entered the key which a Flower node shows, empty for none; None for any node.

        Raises:
            Unreachable: when the registry does not answer.
        """
        return None if self._entered is None else self._entered().get(self._shown.get(node, b""), "")

    def _note_foreign(self, node: int, key: str, owner: str) -> None:
        """Ignore an introduction with another key than the one that belongs there; the node's own may still come."""
        self._spoiled.add(node)
        whose = f"node {owner[:12]}…" if owner else "no node"
        sentence = (
            f"an introduction is ignored: key {key[:12]}… signed it, and the Flower key that it came with is of {whose}"
        )
        self._throttle.warn(_log, f"{node} {key}", sentence)

    def _leave_out(self, node: int, failure: Failure) -> None:
        if self._keys[node] is None:
            _log.warning("Flower node %s is left out: %s [%s]", node, failure.sentence(), failure.code)

    def _note_loss(self, sent: _Sent, reply: Reply) -> None:
        """Keep an order that has no reply for a while; one of a node that has gone may go to others at once."""
        name = str(sent.node)
        if self._returns.over(name):
            self._returns.begin(name)
        self._lost.append((self._returns.until(name) if sent.node in self._keys else self._clock(), reply))
        sentence = (
            f"node {(sent.key or name)[:12]}…: its reply to an order does not count: {reply.lost}; it is sent again"
        )
        self._throttle.warn(_log, f"{name} {reply.lost}", sentence)

    def _push(self, node: int, kind: str, body: bytes) -> str:
        message = Message(pack(body), dst_node_id=node, message_type=kind, ttl=self._seconds_to_live)
        ids = list(self._grid.push_messages([message]))
        if not ids or not ids[0]:
            raise Unreachable(f"Flower did not take a message for node {node}; the SuperLink's log says why")
        return ids[0]


def _read(sent: _Sent, id: str, message: Message) -> Reply:
    """The reply to a message, if the node that has its order sealed it."""
    try:
        data = message.error.reason or "" if message.has_error() else unpack(message.content)
        reply = unseal_reply(data, sent.key, id, sent.body)
    except Refusal as error:
        flowers = f"it is error {message.error.code} of Flower, and no signed failure" if message.has_error() else ""
        return Reply(sent.node, id, lost=flowers or str(error))
    return Reply(sent.node, id, body=None if reply.hint is None else reply.hint.encode(), failure=reply.failure)


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
