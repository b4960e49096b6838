"""JSON documents of contributors' commands, where `--json` prints more than one record."""

from __future__ import annotations

from contributor_client import own_data
from contributor_client.control import NodeState
from contributor_client.own_data import Scored
from ratatouille.cli.documents import Printed, extended
from ratatouille.exchange.membership import Lease, Offer
from ratatouille.outbox import SentMessage
from registry.records import Obligation, Ranking

BestOnOwn = extended(own_data.OwnRanking, notes=tuple[str, ...])
Best = Ranking | BestOnOwn


class NodeHere(Printed):
    """A node, and what it is at work on."""

    offer: Offer
    lease: Lease | None
    """The first of `leases`."""
    leases: tuple[Lease, ...]
    """One for each of its devices that is at work."""


class Nodes(Printed):
    """The nodes that are here, by name, and those of this machine that rest."""

    nodes: tuple[NodeHere, ...]
    resting: tuple[NodeState, ...] = ()


class Outbox(Printed):
    """What left this machine for a node; each message with its repetitions as one."""

    folder: str
    """The node's folder."""
    sent: tuple[SentMessage, ...]
    """The newest last."""
    left_out: int
    """How many older ones the log has."""
    bytes: dict[str, int]
    """Of the whole log, by kind."""


class Removed(Printed):
    """Copies of one kind that are gone."""

    what: str
    path: str
    files: int
    bytes: int


class Forgotten(Printed):
    """What was removed from this machine."""

    removed: tuple[Removed, ...]


class Evaluated(Printed):
    """Versions on one's own images."""

    versions: tuple[Scored, ...]
    notes: tuple[str, ...]


class Owed(Printed):
    """Counts that are asked of nodes and open."""

    owed: tuple[Obligation, ...]


Evaluate = Evaluated | Owed
