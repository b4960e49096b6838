"""The messages that Flower carries: orders to work on an assignment, hints that it is done, and introductions of nodes.

An order is a few kilobytes: weights are fetched and pushed by digest through the registry. A hint may be lost without
harm, because the push was the commit. Orders are signed by the coordinator's key, which the registry announces: a
program that can send messages to nodes cannot make them work. Replies are sealed by the node's key, and name the
message that they answer: who can send messages in a node's name, or kept an earlier reply, cannot make it fail.

Flower gives a node a number of its own at every start and does not know our keys. So the coordinator asks which of our
nodes it is, and the node answers with an introduction, sealed by its key. It names the Flower node and the run that it
is valid for, so that an answer copied from another node, or from an earlier run, is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.errors import UPGRADE, Refusal
from ratatouille.exchange.assignment import Assignment, Compare
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.failure import Failure
from ratatouille.record import Digest, Name, Record, sha256
from ratatouille.tasks.task import Task


class Order(Record):
    """An assignment and the round that it is for; `parents` are the versions of its inputs (featurizer, head)."""

    protocol: int = PROTOCOL
    round: Annotated[str, Field(max_length=80)]
    assignment: Assignment
    parents: tuple[Digest, ...] = ()
    label: Annotated[str, Field(max_length=120)] = ""
    """What people see: "soup run 3 of 5"."""

    @property
    def about(self) -> str | None:
        """The version under review, if it is one."""
        return self.assignment.about if isinstance(self.assignment, Compare) else None


class ForeignOrder(Refusal):
    """An order that the coordinator did not sign."""

    code = "order-foreign"


class UnknownRound(Refusal):
    """An order of a round that does not exist, or does not run."""

    code = "round-not-running"


def seal_order(signer: Signer, order: Order) -> bytes:
    """An order as it is sent."""
    return signer.seal(order).to_json()


def unseal_order(data: bytes, key: str) -> Order:
    """The order inside, if the coordinator with this key signed it.

    Raises:
        ForeignOrder: when it did not, or the bytes are no signed order.
    """
    try:
        sealed = Sealed.from_json(data)
    except Refusal as error:
        raise ForeignOrder(f"this is no signed order ({error}); upgrade the older side: {UPGRADE}") from error
    if sealed.node != key:
        raise ForeignOrder(f"this order is signed by {sealed.node[:12]}…, and the coordinator is {key[:12]}…")
    try:
        return unseal(sealed, Order)
    except Refusal as error:
        raise ForeignOrder(str(error)) from error


class Hint(Record):
    """A hint: what became of an order.

    `pushed`: the answer is in the registry. `known`: another answer was there already, or came first. `taken`: another
    node works on it. `refused`: the node does not do this work. `failed`: an error came, and it may be tried again.
    The last two have a failure, a code with numbers; no text of the node is carried.
    """

    work_id: Digest
    outcome: Literal["pushed", "known", "taken", "refused", "failed"]
    reason: Literal[""] = ""
    """Where nodes of version 0.1 wrote words: a hint that has some cannot be read."""
    failure: Annotated[Failure | None, Field(exclude_if=lambda failure: failure is None)] = None


class OrderReply(Record):
    """What a node replies to a message with an order: the worker's hint, or the failure that stands in its place."""

    message: Annotated[str, Field(max_length=80)]
    """Flower's id of the message, another one each time that an order is sent."""
    order: Digest
    """SHA-256 of what the message carried; a sealed order names round and work."""
    hint: Annotated[str | None, Field(exclude_if=lambda hint: hint is None)] = None
    """The hint as JSON."""
    failure: Annotated[Failure | None, Field(exclude_if=lambda failure: failure is None)] = None


def seal_reply(signer: Signer, message: str, order: bytes, outcome: bytes | Failure) -> bytes:
    """The sealed reply to a message that carried `order`, as it is sent; `outcome` is the hint, or a failure."""
    reply = OrderReply(message=message, order=sha256(order))
    said = {"failure": outcome} if isinstance(outcome, Failure) else {"hint": outcome.decode()}
    return signer.seal(reply.model_copy(update=said)).to_json()


def unseal_reply(data: bytes | str, key: str | None, message: str, order: bytes) -> OrderReply:
    """The reply inside, if the node with this key (None: any node) sealed it for this message.

    Raises:
        Refusal: when it did not. Its sentence has nothing of what came, which a stranger may have written.
    """
    try:
        sealed = Sealed.from_json(data)
    except Refusal as error:
        raise Refusal(f"it has no signature of the node; if the node sent it, upgrade the node: {UPGRADE}") from error
    if key is not None and sealed.node != key:
        raise Refusal("another key than the node's signed it")
    try:
        reply = unseal(sealed, OrderReply)
    except Refusal as error:
        raise Refusal("its signature does not fit, or the node speaks another dialect") from error
    if (reply.message, reply.order) != (message, sha256(order)):
        raise Refusal("the node signed it for another order")
    return reply


class Failed(Record):
    """A failure in the event log: which node could not do what, with names of the task's definition."""

    node: Digest
    failure: Failure
    task: Name | None = None
    label: Annotated[str | None, Field(exclude_if=lambda name: name is None)] = None
    domain: Annotated[Name | None, Field(exclude_if=lambda name: name is None)] = None
    """The task, and the class and domain of it that the failure counts, from the registry's own definition."""

    @classmethod
    def at(cls, node: str, failure: Failure, task: Task | None) -> Failed:
        """A node's failure at work on a task, with the names that its numbers stand for."""
        if task is None:
            return cls(node=node, failure=failure)
        label, domain = failure.counts.get("label"), failure.counts.get("domain")
        return cls(
            node=node,
            failure=failure,
            task=task.name,
            label=None if label is None or label >= len(task.classes) else task.classes[label],
            domain=None if domain is None or domain >= len(task.domains) else task.domains[domain],
        )

    @property
    def sentence(self) -> str:
        """One line for people."""
        clause = self.failure.sentence(self.label, self.domain)
        return f"node {self.node[:12]}{f', task {self.task}' if self.task else ''}: {clause} [{self.failure.code}]"


class Introduction(Record):
    """The signer's statement that it is this Flower node in this run."""

    flower_node: int
    run: int
    protocol: int = PROTOCOL


def introduce(signer: Signer, flower_node: int, run: int) -> bytes:
    """The sealed introduction, as it is sent."""
    return signer.seal(Introduction(flower_node=flower_node, run=run)).to_json()


def introduced(data: bytes, flower_node: int, run: int) -> str:
    """The key of the node that introduced itself.

    Raises:
        Refusal: for a wrong signature, an answer for another node or run, or a node that speaks another protocol.
    """
    sealed = Sealed.from_json(data)
    introduction = unseal(sealed, Introduction)
    if (introduction.flower_node, introduction.run) != (flower_node, run):
        raise Refusal(f"node {sealed.node[:12]}… introduced itself with an answer that was meant for another occasion")
    if introduction.protocol != PROTOCOL:
        raise Refusal(
            disagreement(introduction.protocol, f"node {sealed.node[:12]}…", "this coordinator"),
            code="other-release",
            number=max(0, introduction.protocol),
        )
    return sealed.node
