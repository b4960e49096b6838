"""The live page: rounds that run or wait with their feed of events, leases, and the nodes that are here."""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ratatouille.exchange.membership import Lease, Offer
from ratatouille.record import Digest, Record
from ratatouille.wording import number_of
from registry.records import ALIVE, OVER, Event, RoundRecord
from registry.services.registry import Registry
from registry.web.page import Page, Query
from registry.web.summaries import RoundSummary, round_facts

MOST_ROUNDS = 20
MOST_LEASES = 100
MOST_NODES = 200
RECENT = 5
LINES = 8
MOST_LINES = 40
ROUNDS = 64
"""Rounds that are remembered; the longest unused one leaves first."""
EVENTS_AT_ONCE = 1000
MOST_PAGES = 100
"""Pages of the log that one reading takes; the next goes on."""
ANSWERS = ("version", "evaluation")
"""Events that answer a question of the round."""


class RunningRound(RoundSummary):
    """A round that is under way, or was lately."""

    done: int
    expected: int | None
    """Questions that it will ask; None while it has not said so."""
    versions: int
    evaluations: int
    lines: tuple[Event, ...]
    """The latest of its log, latest first."""


class LeaseView(Record):
    """A lease: a node at work on a question."""

    work_id: Digest
    node: Digest
    name: str
    doing: str
    done: int
    total: int
    expires: float


class OfferedTask(Record):
    """A task's images on a node."""

    task: str
    domains: tuple[str, ...]
    images: int


class NodeView(Record):
    """A node that is here."""

    node: Digest
    name: str
    device: str
    workers: int
    """How many devices it works on at a time."""
    trains: bool
    holdings: tuple[OfferedTask, ...]
    busy: int
    """Leases that it has now."""
    parked: tuple[str, ...] = ()
    """Why it does no work with some of its data, or none at all, for a while."""
    hears_orders: bool = True
    """False when the coordinator's orders would not reach it."""


class LivePage(Record):
    """The content of the page."""

    fleet: str | None
    software: str
    rounds: tuple[RunningRound, ...]
    recent: tuple[RunningRound, ...]
    work: tuple[LeaseView, ...]
    nodes: tuple[NodeView, ...]
    nodes_in_all: int

    @property
    def sentence(self) -> str:
        """The state in one sentence, which is read aloud when it changes."""
        running = [f"round {one.name} is {one.state}" for one in self.rounds]
        recent = [f"round {one.name} is {one.state}" for one in self.recent[:1]] if not running else []
        return "; ".join(
            [*(running or ["no round runs"]), *recent, f"{number_of(self.nodes_in_all, 'node is', 'nodes are')} here"]
        )


def page(feed: Feed, registry: Registry, query: Query) -> Page:
    """The state of things now."""
    info = registry.info()
    offers, leases = registry.work.offers(), registry.work.leases()
    called = Counter(offer.name for offer in offers)
    names = {one.node: one.name if called[one.name] == 1 else f"{one.name} ({one.node[:10]})" for one in offers}
    alive = registry.rounds.rounds(ALIVE, limit=MOST_ROUNDS)
    over = sorted(registry.rounds.rounds(sorted(OVER), limit=RECENT), key=lambda one: -one.changed)
    view = LivePage(
        fleet=info.fleet,
        software=info.software,
        rounds=tuple(progress(feed, one) for one in alive),
        recent=tuple(progress(feed, one) for one in over),
        work=tuple(_lease_view(lease, names) for lease in leases[:MOST_LEASES]),
        nodes=tuple(_node_view(offer, leases) for offer in offers[:MOST_NODES]),
        nodes_in_all=len(offers),
    )
    return Page("live.html.jinja", view)


def progress(feed: Feed, record: RoundRecord) -> RunningRound:
    """The progress of a round, from its log."""
    log = feed.read(record.id)
    return RunningRound(
        **round_facts(record),
        done=log.done,
        expected=log.expected,
        versions=log.counts["version"],
        evaluations=log.counts["evaluation"],
        lines=tuple(reversed(list(log.lines)[-LINES:])),
    )


def _lease_view(lease: Lease, names: dict[str, str]) -> LeaseView:
    return LeaseView(
        work_id=lease.work_id,
        node=lease.node,
        name=names.get(lease.node, lease.node[:10]),
        doing=lease.doing,
        done=min(lease.done, lease.total) if lease.total else lease.done,
        total=lease.total,
        expires=lease.expires,
    )


def _node_view(offer: Offer, leases: Sequence[Lease]) -> NodeView:
    return NodeView(
        node=offer.node,
        name=offer.name,
        device=offer.device,
        workers=offer.workers,
        trains=offer.trains,
        hears_orders=offer.hears_orders,
        holdings=tuple(
            OfferedTask(task=one.task_name, domains=one.domains, images=one.total())
            for one in sorted(offer.holdings, key=lambda one: one.task_name)
        ),
        busy=sum(lease.node == offer.node for lease in leases),
        parked=tuple(dict.fromkeys(one.failure.sentence() for one in offer.parked)),
    )


@dataclass
class RoundLog:
    """The events of a round, counted."""

    last: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lines: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    """The latest events, oldest first."""
    answered: int = 0
    expected: int | None = None
    """Questions that the round will ask, as its plan foresaw; None before it said so."""

    @property
    def done(self) -> int:
        """Questions that are answered, of those expected."""
        return self.answered if self.expected is None else min(self.answered, self.expected)

    def add(self, event: Event) -> None:
        """One more line."""
        self.last = event.number
        self.counts[event.kind] += 1
        self.lines.append(event)
        if event.kind in ANSWERS:
            self.answered += 1
        elif event.kind == "plan" and (found := re.fullmatch(r"(\d{1,9})/(\d{1,9})", event.subject)):
            self.answered, self.expected = int(found[1]), int(found[2])


class Feed:
    """The logs of rounds, kept from one reading to the next, so that each reads only new events."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._logs: OrderedDict[str, RoundLog] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, round: str) -> RoundLog:
        """The log of a round up to now."""
        with self._lock:
            log = self._logs.setdefault(round, RoundLog())
            self._logs.move_to_end(round)
            while len(self._logs) > ROUNDS:
                self._logs.popitem(last=False)
            for _ in range(MOST_PAGES):
                events = self._registry.rounds.events(log.last, round, EVENTS_AT_ONCE)
                for event in events:
                    log.add(event)
                if len(events) < EVENTS_AT_ONCE:
                    break
            return log
