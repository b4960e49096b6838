"""The estimate of a round before it runs: work by kind, known answers, nodes that can do it, time and bytes.

Times come from receipts of the very nodes that are here and could do the work, for networks and images of this size.
Where there are none, no time is said: another device's steps say nothing about this one's. Sizes follow from the
architecture and the tasks' classes, to the byte. A combination may turn out to be a part that is there already, so the
sum is the most that can come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import median

from coordinator.matching import can_do
from ratatouille.cli.output import about
from ratatouille.exchange.assignment import FineTune, Probe
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.order import Order
from ratatouille.recipes.plan import Forecast, Imagined
from ratatouille.recipes.round import Round
from ratatouille.record import Record
from ratatouille.weights.canonical import size
from ratatouille.wording import number_of
from registry.records import LogQuery, Result
from registry.services.registry import Registry

_MOST_NODES = 100
_LATEST = 10
"""Earlier runs that tell how long a step takes."""


MOST_NAMED = 5
"""Lacking answers that a warning names."""


class EstimateRow(Record):
    """Work of one kind on one task."""

    what: str
    all: int
    known: int
    steps: int
    """Training steps still to do."""
    where: str
    """Names of the nodes that could do it."""


class Estimate(Record):
    """The estimate of a round's cost."""

    rows: tuple[EstimateRow, ...]
    shared: int
    """Runs that several recipes have in common and that are trained once."""
    open_steps: int
    bytes_stored: int
    """Bytes that new weights will take in the registry at most."""
    bytes_free: int
    """Room for new weights in the registry, beside its reserve and what is promised to others."""
    removed: int
    """Known versions that this round would read, but gc has removed their weights."""
    lacking: tuple[str, ...] = ()
    """What the round goes without, since the members who hold the data have closed it."""
    gaps: tuple[str, ...] = ()
    """What the data lacks: domains of holdings that are too small to be trained on, classes without training images."""
    seconds: float | None
    """Training time of one node doing everything; None where no node that is here has trained such images before."""

    @property
    def warnings(self) -> list[str]:
        """What would keep the round from its end, and what its data lacks."""
        found = list(self.gaps)
        if self.bytes_stored > self.bytes_free:
            found.append(
                f"the registry has room for {self.bytes_free / 2**20:.0f} MiB, and this round may need "
                f"{self.bytes_stored / 2**20:.0f} MiB: make room with `ratatouille registry gc`, or the round will wait"
            )
        if self.removed:
            found.append(
                f"gc has removed the weights of {number_of(self.removed, 'version')} that this round needs: "
                "`ratatouille round run --fresh` makes them anew"
            )
        if self.lacking:
            found.append(
                f"the round goes without {number_of(len(self.lacking), 'answer')} that the members who hold the data "
                f"have closed: {', '.join(self.lacking[:MOST_NAMED])}{' …' if self.lacking[MOST_NAMED:] else ''}"
            )
        return found

    @property
    def sentence(self) -> str:
        """One line."""
        if self.open_steps == 0:
            return "everything that has to be trained is known already"
        took = "how long that takes shows when these nodes have trained"
        if self.seconds is not None:
            took = f"{about(self.seconds)} of training, divided by the nodes that share it"
        return (
            f"{number_of(self.open_steps, 'step')} to train, {number_of(self.shared, 'run')} shared between recipes, "
            f"at most {self.bytes_stored / 2**20:.0f} MiB of new weights; {took}"
        )


def estimate(round: Round, needed: Forecast, facts: Mapping[str, Result], registry: Registry) -> Estimate:
    """Estimate a round's forecast with the facts that are known."""
    offers = sorted(registry.work.offers(), key=lambda offer: offer.name)
    groups: dict[str, list[tuple[str, Order]]] = {}
    for work_id, order in needed.orders.items():
        groups.setdefault(_what(order), []).append((work_id, order))
    rows = []
    for what, members in groups.items():
        able = [offer.name for offer in offers if any(can_do(offer, order) for _, order in members)]
        rows.append(
            EstimateRow(
                what=what,
                all=len(members),
                known=sum(work_id in needed.known for work_id, _ in members),
                steps=_steps([order for work_id, order in members if work_id not in needed.known]),
                where=", ".join(able) or "nobody who is here",
            )
        )
    open_steps = sum(row.steps for row in rows)
    pace = _seconds_per_step(needed, offers, registry)
    return Estimate(
        rows=tuple(rows),
        shared=needed.shared,
        open_steps=open_steps,
        bytes_stored=new_bytes(needed, facts, registry),
        bytes_free=registry.maintenance.usage().room,
        removed=len(removed(needed, facts)),
        lacking=tuple(order.label for order in needed.lacking.values()),
        gaps=round.gaps,
        seconds=None if pace is None else pace * open_steps,
    )


def _what(order: Order) -> str:
    label = order.label.partition(" run ")[0]
    kinds = {"probe": "", "fine_tune": "train for ", "evaluate": ""}
    if order.assignment.kind in ("evaluate", "compare"):
        return f"{order.assignment.kind} on " + order.label.rpartition(" on ")[2]
    return kinds.get(order.assignment.kind, "") + label


def _steps(orders: Sequence[Order]) -> int:
    return sum(order.assignment.steps for order in orders if isinstance(order.assignment, FineTune))


def _seconds_per_step(needed: Forecast, offers: Sequence[Offer], registry: Registry) -> float | None:
    """The median pace of the latest runs like the open ones, by nodes that are here and can do those."""
    trainings = [order for order in needed.open() if isinstance(order.assignment, FineTune)]
    able = tuple(offer.node for offer in offers if any(can_do(offer, order) for order in trainings))
    if not able:
        return None
    alike = {_likeness(order.assignment) for order in trainings if isinstance(order.assignment, FineTune)}
    latest = registry.versions.log(LogQuery(kind="fine_tune", nodes=able[:_MOST_NODES]), limit=_LATEST)
    receipts = [registry.versions.show(entry.id).receipt for entry in latest]
    paces = [
        receipt.seconds / receipt.assignment.steps
        for receipt in receipts
        if receipt is not None
        and isinstance(receipt.assignment, FineTune)
        and _likeness(receipt.assignment) in alike
        and receipt.assignment.steps
    ]
    return median(paces) if paces else None


def _likeness(work: FineTune) -> tuple[str, int, int]:
    """Runs that are alike in this take about as long for a step."""
    return work.architecture, work.image_size, work.batch * len(work.domains)


def new_bytes(needed: Forecast, facts: Mapping[str, Result], registry: Registry) -> int:
    """Bytes of the weights that a round will add at most."""
    digest = next((order.assignment.architecture for order in needed.orders.values()), None)
    if digest is None:
        return 0
    architecture = registry.definitions.architecture(digest)
    featurizer = size(architecture.part("featurizer", 0))

    @cache
    def head(task: str) -> int:
        return size(architecture.part("head", len(registry.definitions.task(task).classes)))

    tasks, total = _tasks(needed, facts), 0
    for order in needed.open():
        if isinstance(order.assignment, FineTune):
            total += featurizer + head(order.assignment.task)
        elif isinstance(order.assignment, Probe):
            total += head(order.assignment.task)
    for work_id in needed.combinations:
        if work_id not in needed.known:
            task = tasks.get(_version(work_id, facts))
            total += featurizer + (head(task) if task else 0)
    return total


def removed(needed: Forecast, facts: Mapping[str, Result]) -> list[Result]:
    """Known answers whose weights are still to be read, but gc has removed them."""
    gone = {fact.version: fact for fact in facts.values() if fact.collected is not None and fact.version}
    if not gone:
        return []
    reads = [parent for order in needed.open() for parent in order.parents]
    for work_id, combination in needed.combinations.items():
        if work_id not in needed.known:
            reads += [parent.version for parent in combination.parents]
    return [gone[version] for version in dict.fromkeys(reads) if version in gone]


def _tasks(needed: Forecast, facts: Mapping[str, Result]) -> dict[str, str]:
    """The task of each version that has a head, imagined ones too."""
    tasks = {}
    for work_id, order in needed.orders.items():
        if isinstance(order.assignment, FineTune | Probe):
            tasks[_version(work_id, facts)] = order.assignment.task
    for work_id, combination in needed.combinations.items():
        task = tasks.get(combination.parents[0].version) if combination.parts == "both" else None
        if task is not None:
            tasks[_version(work_id, facts)] = task
    return tasks


def _version(work_id: str, facts: Mapping[str, Result]) -> str:
    known = facts.get(work_id)
    return Imagined(work_id).version if known is None or known.version is None else known.version
