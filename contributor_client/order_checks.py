"""Checks of an order before any work begins: its signature, round, size and heads, and the node's budget of counts.

The coordinator must have signed an order, and its round runs now in the registry, or the registry owes its answer
(`accepted_order`). Its work is within the owner's limits (`refuse_beyond`).

A node counts only with heads that nodes trained or probed, and with averages of those (`Origins`): a head that was made
by hand can be a question about single images. What the registry says of a version is trusted: a node of the federation
cannot slip an imported head into a round; the person who runs the registry could (docs/data.md says what remains).

A count reveals a little about single images to the person who chose the network: a network that is right on one image
only shows whether that image is held. So a node counts a limited number of networks in a week on each holding, for all
rounds together (`Budget`). Its file names holdings by fingerprint and work by its id; it holds no name and no path.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import Field

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, FineTune, NodeAssignment, Probe, heads_of
from ratatouille.exchange.order import ForeignOrder, Order, UnknownRound, unseal_order
from ratatouille.folders import write_whole
from ratatouille.processes.locks import locked
from ratatouille.record import Digest, Record
from ratatouille.tasks.node import NodeSettings
from ratatouille.tasks.settings import Limits
from registry.services.registry import Registry

OWED = "evaluations"
"""The text in place of a round's id in orders of evaluations that the registry owes; the coordinator has the same."""
GIGABYTE = 10**9
_REMEMBERED = 10_000
"""Versions whose answer is remembered, so that the registry is asked once about each."""
WEEK = 7 * 24 * 3600.0
"""Seconds that a count weighs on the budget."""


def accepted_order(data: bytes, registry: Registry) -> Order:
    """The order inside of what came, if it is one to obey.

    Raises:
        ForeignOrder: when the coordinator that the registry announces did not sign it.
        UnknownRound: when the registry does not know its round, or it does not run.
        Unreachable: when the registry does not answer.
    """
    key = registry.info().coordinator
    if key is None:
        raise ForeignOrder("the registry has no coordinator, so nobody may give orders")
    order = unseal_order(data, key)
    try:
        if order.round == OWED and order.assignment.digest in {one.work_id for one in registry.work.obligations()}:
            return order  # evaluations that the registry owes belong to no round
        round = registry.rounds.round(order.round)
    except Refusal as error:
        raise UnknownRound(f"the order is for round {order.round}, which the registry does not know") from error
    if round.id != order.round or round.state != "running":
        raise UnknownRound(f"the order is for round {order.round}, which does not run (it is {round.state})")
    return order


def refuse_beyond(limits: Limits, assignment: NodeAssignment, images: int) -> None:
    """Refuse work that is beyond one of the owner's limits; `images` is how many the holding has.

    Raises:
        Refusal: with code `order-too-large`, naming the first limit that is passed and what was asked for.
    """
    for name, asked in demands(assignment, images):
        allowed: int = getattr(limits, name)
        if asked > allowed:
            raise Refusal(
                f"the order asks for {asked} {name.replace('_', ' ')}, and this node allows {allowed} "
                f"(`{name}` under [limits] in its node.toml)",
                code="order-too-large",
                limit=allowed,
                number=min(asked, 2**53 - 1),
            )


def refuse_beyond_disk(settings: NodeSettings, assignment: NodeAssignment, images: int) -> None:
    """Refuse work whose decoded images alone are more than the node may keep.

    Raises:
        Refusal: with code `order-too-large`, naming both numbers.
    """
    needed = images * assignment.image_size**2 * 3
    if settings.max_disk is not None and settings.image_cache and needed > settings.images_bytes:
        raise Refusal(
            f"{images} images at {assignment.image_size} pixels take {needed / GIGABYTE:.1f} GB, and this node may "
            f"keep {settings.images_bytes / GIGABYTE:.1f} GB of them (half of `max_disk` in its node.toml); raise it, "
            "or set `image_cache = false`",
            code="order-too-large",
            limit=settings.images_bytes,
            number=needed,
        )


def demands(assignment: NodeAssignment, images: int) -> Iterator[tuple[str, int]]:
    """What work asks for, by the names of `Limits`."""
    pixels = assignment.image_size**2
    yield "image_size", assignment.image_size
    yield "decoded_gigabytes", math.ceil(images * pixels * 3 / GIGABYTE)
    match assignment:
        case Probe():
            yield "steps", assignment.iterations
        case FineTune():
            together = assignment.batch * max(1, len(assignment.domains))
            yield "images_per_step", together
            yield "megapixels_per_step", math.ceil(together * pixels / 10**6)
            yield "steps", assignment.steps
            yield "evaluations", math.ceil(assignment.steps / assignment.evaluate_every)
        case Evaluate():
            yield "cells", len(assignment.cells)
        case Compare():
            yield "networks", len(assignment.networks)
            parts = [max(len(network.featurizer), len(network.head)) for network in assignment.networks]
            yield "networks", max(parts)
            yield "cells", len(assignment.cells)


class Origins:
    """The origins of heads: which were made by nodes, as far as a registry knows."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: OrderedDict[str, str | None] = OrderedDict()
        """Version → its head, if a node made it; None for another one."""

    def check(self, order: Order) -> None:
        """Refuse an order with a head that is of none of its parents, or that no node made.

        Raises:
            Refusal: for another head.
            Unreachable: when the registry does not answer.
        """
        made = {self._head(version) for version in order.parents}
        if strange := heads_of(order.assignment) - made:
            raise Refusal(
                f"head {sorted(strange)[0][:12]}… was imported, or is of no version of this work; a node counts "
                "with heads that nodes trained or probed",
                code="head-imported",
            )

    def _head(self, version: str) -> str | None:
        if version not in self._made:
            self._made[version] = self._made_by_nodes(version)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return self._made[version]

    def _made_by_nodes(self, version: str) -> str | None:
        """The head of a version, if nodes made it and, of an average, every head in it; None otherwise."""
        open_versions, seen = [version], set()
        head: str | None = None
        while open_versions:
            one = open_versions.pop()
            if one in seen:
                continue
            seen.add(one)
            (row,) = self._registry.versions.lineage(one, depth=0)
            found = row.entry.version
            if one == version:
                head = found.head
            if found.head is None or found.rule.name in ("probe", "fine_tune"):
                continue
            if found.rule.name == "import":
                return None
            open_versions += [parent.version for parent in found.parents]
        return head


class Spent(Record):
    """One piece of work that was counted."""

    work_id: Digest
    networks: int
    at: float


class Ledger(Record):
    """The ledger of the budget: what was counted in the last week, by holding."""

    holdings: dict[Digest, tuple[Spent, ...]] = Field(default_factory=dict)


class Budget:
    """The budget of all holdings of a node."""

    def __init__(self, path: Path, networks_per_week: int, clock: Callable[[], float] = time.time) -> None:
        """`path` is the file, which may not be there yet."""
        self._path = path
        self._most = networks_per_week
        self._clock = clock

    def take(self, assignment: NodeAssignment) -> bool:
        """Spend the budget on this work, on disk; False, and nothing spent, when too little of it is left.

        The same question is spent on once, however often it is ordered within a week. The workers of a node have one
        budget.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._path.with_suffix(".lock"), wait=True):
            return self._take(assignment)

    def _take(self, assignment: NodeAssignment) -> bool:
        ledger, now, cost = self._read(), self._clock(), networks_of(assignment)
        recent = [one for one in ledger.holdings.get(assignment.fingerprint, ()) if now - one.at < WEEK]
        if any(one.work_id == assignment.digest for one in recent):
            return True
        if sum(one.networks for one in recent) + cost > self._most:
            return False
        spent = (*recent, Spent(work_id=assignment.digest, networks=cost, at=now))
        kept = Ledger(holdings={**ledger.holdings, assignment.fingerprint: spent})
        write_whole(self._path, [kept.to_json()])
        return True

    def left(self, fingerprint: str) -> int:
        """How many networks may still be counted on a holding now."""
        now = self._clock()
        return self._most - sum(
            one.networks for one in self._read().holdings.get(fingerprint, ()) if now - one.at < WEEK
        )

    def _read(self) -> Ledger:
        """The ledger. One that cannot be read is a reason to stop: forgetting it would open the budget anew.

        Raises:
            Refusal: for a file that is not a ledger.
        """
        try:
            return Ledger.from_json(self._path.read_bytes())
        except FileNotFoundError:
            return Ledger()
        except (OSError, Refusal) as error:
            raise Refusal(
                f"'{self._path}', which says how much was counted this week, cannot be read ({error}); nothing is "
                "counted until it is put back, or removed, which begins the week's budget anew",
                code="settings-unusable",
            ) from error


def networks_of(assignment: NodeAssignment) -> int:
    """How many networks the answer counts: one for a training, a probe or an evaluation, all of a comparison."""
    return len(assignment.networks) + assignment.ensemble if isinstance(assignment, Compare) else 1
