"""Offers, leases and announcements: signed records by which nodes and coordinator say that they are here.

An offer is signed by the node's key and replaces its last one. It proves for each holding that the node has the data:
the holding's own key, which follows from the data (`ratatouille.tasks.holding`), signs it too. A lease says who is at
work on a question until when, so that no question is worked on twice by accident; the worker renews it, and when it
expires the question is free again. Both, and their ends, are sealed; each says when it was signed, so that a captured
copy of an earlier one has no effect.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Annotated, NamedTuple, Protocol

from pydantic import Field, NonNegativeFloat, PositiveFloat

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Assignment, Compare, Import
from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS, PROTOCOL
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.failure import Failure
from ratatouille.record import Digest, Name, Record
from ratatouille.tasks.holding import Holding

MOST_INPUTS = 1000
"""Weights that a lease names; work that reads more of them names the first."""
MOST_HOLDINGS = 100
"""Holdings that one node offers."""
MOST_WORKERS = 64
"""Pieces of work that one node does at a time."""
LONGEST_AUTHORITY = 10_000
"""Characters of the certificate of an authority; that of a company with a long RSA key has some 3000."""


class Possession(Record):
    """The statement that a node holds certain data; signed by the holding's key, it proves that."""

    node: Digest
    task: Digest
    fingerprint: Digest


DEVICES = ("auto", "cpu", "cuda", "mps", "rehearsal")
"""What an offer may say of its device."""

_ACTIVITIES = re.compile(
    r"fetching|reading images|computing features|fitting the head|evaluating|comparing networks|pushing"
    r"|(warm-up|training), loss (-?[0-9]{1,12}\.[0-9]{3}|nan|-?inf)"
)


def activity(text: str) -> str:
    """What a node says that it does, if it is one of the things that nodes do; nothing for any other text."""
    return text if _ACTIVITIES.fullmatch(text) else ""


class Parked(Record):
    """One holding of a node, or the whole node, that does no work for a while, with the reason."""

    failure: Failure
    fingerprint: Digest | None = None
    """The holding; None for the whole node."""
    seconds: Annotated[float, Field(ge=0, le=7 * 24 * 3600)]
    """For how long still, from when the offer was issued."""


class Announcement(Record):
    """The coordinator's statement that it is up, and where nodes join its fleet; the same key signs its orders."""

    fleet: Annotated[str, Field(max_length=300)] | None
    """host:port; None when the coordinator ends."""
    public: Annotated[str | None, Field(max_length=300, exclude_if=lambda public: public is None)] = None
    """NAME:PORT of the front door; None where there is none."""
    authority: Annotated[
        str | None, Field(max_length=LONGEST_AUTHORITY, exclude_if=lambda authority: authority is None)
    ] = None
    """The certificate (PEM) of the authority that signed the front door's; None where every system knows it."""
    issued: float = Field(default_factory=time.time)
    """When it was signed, so that an older copy of it has no effect."""


class Offer(Record):
    """An offer: what a node has and can do."""

    node: Digest
    name: Name
    holdings: Annotated[tuple[Holding, ...], Field(max_length=MOST_HOLDINGS)]
    proofs: Annotated[tuple[Sealed, ...], Field(max_length=MOST_HOLDINGS, exclude_if=lambda proofs: not proofs)] = ()
    """A sealed `Possession` for each holding, in the same order."""
    device: Annotated[str, Field(max_length=200)] = "cpu"
    """One of `DEVICES`, as node.toml says; the name of the processor is in receipts only."""
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS, exclude_if=lambda workers: workers == 1)] = 1
    """How many pieces of work it does at a time: one on each of its devices."""
    trains: bool = True
    """False: the node evaluates on its data and never trains on it."""
    protocol: int = PROTOCOL
    revision: int = METHOD_REVISION
    numerics: str = NUMERICS
    issued: float
    """Seconds since 1970; a later offer replaces an earlier one."""
    seconds: PositiveFloat = 60.0
    """How long the offer stands; the node renews it."""
    parked: Annotated[tuple[Parked, ...], Field(max_length=100, exclude_if=lambda parked: not parked)] = ()
    """What it cannot work with now; the registry shows it, and the coordinator sends it no such work."""
    hears_orders: Annotated[bool, Field(exclude_if=lambda hears: hears)] = True
    """False while the node's work lane does not answer: no order would reach the node."""


class OfferWithdrawal(Record):
    """The node has left: its offers up to this moment stand no more."""

    node: Digest
    issued: float


class Lease(Record):
    """The claim of a node to work on a question for some time, with its last progress."""

    work_id: Digest
    node: Digest
    task: Annotated[Digest | None, Field(exclude_if=lambda task: task is None)] = None
    fingerprint: Annotated[Digest | None, Field(exclude_if=lambda fingerprint: fingerprint is None)] = None
    """The holding that the question is bound to, which the node must offer. None in leases of release 0.1 only."""
    seconds: NonNegativeFloat = 20.0
    """How long it is asked for, from now; clocks of nodes may be wrong, so only durations are believed."""
    issued: Annotated[float, Field(exclude_if=lambda issued: not issued)] = 0.0
    """When it was signed, by the node's clock: a renewal is later than what it renews."""
    expires: float = 0.0
    """When it ends, in seconds since 1970 by the registry's clock, which sets it."""
    done: Annotated[int, Field(ge=0, lt=2**53)] = 0
    total: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Steps done and steps in all; 0 of 0 where work has no steps."""
    doing: Annotated[str, Field(max_length=100)] = ""
    inputs: Annotated[tuple[Digest, ...], Field(max_length=MOST_INPUTS, exclude_if=lambda inputs: not inputs)] = ()
    """Weights that the work starts from: the registry keeps them while a node works on it."""
    about: Annotated[Digest | None, Field(exclude_if=lambda about: about is None)] = None
    """The version that the question reviews, if it is one: its maker's member takes no lease that another can take."""

    @classmethod
    def on(cls, assignment: Assignment, node: str, seconds: float = 20.0, inputs: tuple[str, ...] = ()) -> Lease:
        """A lease on a question, signed now; an import needs none (Refusal)."""
        if isinstance(assignment, Import):
            raise Refusal("an import needs no lease; push it")
        return cls(
            work_id=assignment.digest,
            node=node,
            task=assignment.task,
            fingerprint=assignment.fingerprint,
            seconds=seconds,
            issued=time.time(),
            inputs=inputs[:MOST_INPUTS],
            about=assignment.about if isinstance(assignment, Compare) else None,
        )


class LeaseReturn(Record):
    """The node gives a lease back before it expires."""

    work_id: Digest
    node: Digest
    issued: float


class Held(Protocol):
    """Data that can be offered; `ratatouille.tasks.data.LocalData` is such."""

    @property
    def holding(self) -> Holding:
        """What is published of it."""

    @property
    def seed(self) -> bytes:
        """Secret seed of the holding's key."""


class Stock(NamedTuple):
    """The least that can be offered: a holding and its seed."""

    holding: Holding
    seed: bytes


def make_offer(
    signer: Signer,
    name: str,
    held: Iterable[Held],
    device: str = "cpu",
    trains: bool = True,
    seconds: float = 60.0,
    issued: float | None = None,
    parked: tuple[Parked, ...] = (),
    hears_orders: bool = True,
    workers: int = 1,
) -> Sealed:
    """A node's offer, with its proofs, sealed; `issued` is now, if not said."""
    kept = list(held)
    offer = Offer(
        node=signer.node,
        name=name,
        holdings=tuple(one.holding for one in kept),
        proofs=tuple(_prove(signer.node, one) for one in kept),
        device=device,
        workers=workers,
        trains=trains,
        issued=time.time() if issued is None else issued,
        seconds=seconds,
        parked=parked,
        hears_orders=hears_orders,
    )
    return signer.seal(offer)


def owners(offer: Offer) -> tuple[str, ...]:
    """The public keys of the offer's holdings, in their order.

    Raises:
        Refusal: when the offer does not prove that its node holds all of them.
    """
    if len(offer.proofs) != len(offer.holdings):
        raise Refusal(
            f"the offer of node {offer.node[:12]}… names {len(offer.holdings)} holdings and proves {len(offer.proofs)}"
        )
    for holding, proof in zip(offer.holdings, offer.proofs, strict=True):
        said = unseal(proof, Possession)
        if said != Possession(node=offer.node, task=holding.task, fingerprint=holding.fingerprint):
            raise Refusal(f"the offer of node {offer.node[:12]}… proves another holding than {holding.task_name}")
    return tuple(proof.node for proof in offer.proofs)


def _prove(node: str, held: Held) -> Sealed:
    said = Possession(node=node, task=held.holding.task, fingerprint=held.holding.fingerprint)
    return Signer.of_seed(held.seed).seal(said)
