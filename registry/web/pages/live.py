"""The live page: rounds that run or wait, leases, and the nodes that are here."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.exchange.membership import Lease, Offer
from ratatouille.record import Digest, Record
from registry.records import ALIVE, OVER, Event, RoundRecord
from registry.services.registry import Registry
from registry.web.asked import Asked
from registry.web.feed import Feed
from registry.web.page import Page

MOST_ROUNDS = 20
MOST_LEASES = 100
MOST_NODES = 200
RECENT = 5
LINES = 8


class Progress(Record):
    """A round that is under way, or was lately."""

    id: str
    name: str
    state: str
    reason: str
    created: float
    changed: float
    done: int
    expected: int | None
    """Questions that it will ask; None while it has not said so."""
    versions: int
    evaluations: int
    lines: tuple[Event, ...]
    """The latest of its log, latest first."""


class Work(Record):
    """A lease: somebody at work."""

    work_id: Digest
    node: Digest
    name: str
    doing: str
    done: int
    total: int
    expires: float


class Held(Record):
    """A task's images on a node."""

    task: str
    domains: tuple[str, ...]
    images: int


class Here(Record):
    """A node that is here."""

    node: Digest
    name: str
    device: str
    trains: bool
    holdings: tuple[Held, ...]
    busy: int
    """Leases that it has now."""
    parked: tuple[str, ...] = ()
    """Why it does no work with some of its data, or none at all, for a while."""
    hears_orders: bool = True
    """False when the coordinator's orders would not reach it."""


class Live(Record):
    """What the page says."""

    fleet: str | None
    software: str
    rounds: tuple[Progress, ...]
    recent: tuple[Progress, ...]
    work: tuple[Work, ...]
    nodes: tuple[Here, ...]
    nodes_in_all: int

    @property
    def sentence(self) -> str:
        """The state in one sentence, which is read aloud when it changes."""
        running = [f"round {one.name} is {one.state}" for one in self.rounds]
        recent = [f"round {one.name} is {one.state}" for one in self.recent[:1]] if not running else []
        return "; ".join([*(running or ["no round runs"]), *recent, f"{self.nodes_in_all} nodes are here"])


def page(feed: Feed, registry: Registry, asked: Asked) -> Page:
    """The state of things now."""
    info = registry.info()
    offers, leases = registry.work.offers(), registry.work.leases()
    names = {offer.node: offer.name for offer in offers}
    alive = registry.rounds.rounds(ALIVE, limit=MOST_ROUNDS)
    over = sorted(registry.rounds.rounds(sorted(OVER), limit=RECENT), key=lambda one: -one.changed)
    view = Live(
        fleet=info.fleet,
        software=info.software,
        rounds=tuple(progress(feed, one) for one in alive),
        recent=tuple(progress(feed, one) for one in over),
        work=tuple(_work(lease, names) for lease in leases[:MOST_LEASES]),
        nodes=tuple(_here(offer, leases) for offer in offers[:MOST_NODES]),
        nodes_in_all=len(offers),
    )
    return Page("live.html.jinja", view)


def progress(feed: Feed, record: RoundRecord) -> Progress:
    """How far a round is, as its log tells."""
    told = feed.look(record.id)
    return Progress(
        id=record.id,
        name=record.name,
        state=record.state,
        reason=record.reason,
        created=record.created,
        changed=record.changed,
        done=told.done,
        expected=told.expected,
        versions=told.counts["version"],
        evaluations=told.counts["evaluation"],
        lines=tuple(reversed(list(told.lines)[-LINES:])),
    )


def _work(lease: Lease, names: dict[str, str]) -> Work:
    return Work(
        work_id=lease.work_id,
        node=lease.node,
        name=names.get(lease.node, lease.node[:10]),
        doing=lease.doing,
        done=min(lease.done, lease.total) if lease.total else lease.done,
        total=lease.total,
        expires=lease.expires,
    )


def _here(offer: Offer, leases: Sequence[Lease]) -> Here:
    return Here(
        node=offer.node,
        name=offer.name,
        device=offer.device,
        trains=offer.trains,
        hears_orders=offer.hears_orders,
        holdings=tuple(
            Held(task=one.task_name, domains=one.domains, images=one.total())
            for one in sorted(offer.holdings, key=lambda one: one.task_name)
        ),
        busy=sum(lease.node == offer.node for lease in leases),
        parked=tuple(dict.fromkeys(one.failure.sentence() for one in offer.parked)),
    )
