"""A simulated federation for plans: it answers every open question at once, with digests that follow from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ratatouille.exchange.assignment import Cell, Compare, Evaluate, FineTune, Mixture, Probe
from ratatouille.exchange.dialect import METHOD_REVISION
from ratatouille.exchange.inspection import Gram, Inspected, Inspection, triangle
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair
from ratatouille.recipes.admission import Known, Verdict
from ratatouille.recipes.plan import plan
from ratatouille.recipes.protocol import EMOJI, Protocol
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Auxiliary, Given, HoldingShare, Round, Start
from ratatouille.record import sha256

Floats = NDArray[np.float64]
ELEMENTS = 64
Correct = Callable[[Order, Cell], int]
"""How many of ten images of a cell the weights of an order get right."""


def name(text: str) -> str:
    return sha256(text.encode())


@dataclass(frozen=True)
class Answer:
    version: str | None
    featurizer: str | None
    head: str | None
    evaluations: tuple[Evaluation, ...] = ()
    comparison: Comparison | None = None
    node: str | None = None
    created: float = 0.0
    kept_step: int | None = None


def a_round(
    auxiliaries: str = "wxyz",
    recipes: tuple[str, ...] = ("linear_probe", "vanilla", "soup", "ratatouille"),
    protocol: Protocol | None = None,
    training: tuple[HoldingShare, ...] = (HoldingShare(fingerprint=name("data"), domains=("clay", "ink")),),
    min_runs: int | None = None,
    pool_trials: int = 1,
    analyses: tuple[str, ...] = (),
    starts: str = "",
) -> Round:
    return Round(
        name="test",
        target="shapes",
        task=name("shapes"),
        metric="accuracy",
        architecture=name("architecture"),
        foundation=Start(version=name("foundation"), featurizer=name("featurizer")),
        held_out=("wool",),
        training=training,
        evaluation=(HoldingShare(fingerprint=name("held"), domains=("wool",)),),
        auxiliaries=tuple(
            Auxiliary(
                name=one, task=name(one), shares=(HoldingShare(fingerprint=name(f"data {one}"), domains=("clay",)),)
            )
            for one in auxiliaries
        ),
        recipes=recipes,
        protocol=protocol or EMOJI.model_copy(update={"runs": 5}),
        revision=METHOD_REVISION,
        min_runs=min_runs,
        pool_trials=pool_trials,
        analyses=analyses,
        starts=tuple(given(one) for one in starts),
    )


def given(one: str) -> Given:
    """A start that is there already."""
    return Given(name=one, start=Start(version=name(f"{one} version"), featurizer=name(f"{one} featurizer")))


def run(
    round: Round,
    correct: Correct = lambda order, cell: 5,
    most: int = 100,
    places: Mapping[str, Floats] = MappingProxyType({}),
    decisions: Mapping[str, Verdict] = MappingProxyType({}),
) -> tuple[RoundPlan, dict[str, Answer]]:
    """Answer until nothing is open; returns the last plan and all facts. `places` are weights of versions, as `place`
    has them for others.
    """
    facts: dict[str, Answer] = {}
    inspected: dict[str, Inspected] = {}
    for _ in range(most):
        found = plan(round, facts, known=Known(inspected, decisions))
        if found.at_rest:
            return found, facts
        answer_all(found, facts, correct)
        inspected |= {id: inspect(asked, places) for id, asked in found.inspections.items()}
    raise AssertionError("the plan does not come to an end")


def place(version: str) -> Floats:
    """The weights of a version, which follow from its id: near to those of every other."""
    return 1e-3 * np.random.RandomState(int(version[:8], 16)).standard_normal(ELEMENTS)


def inspect(asked: Inspection, places: Mapping[str, Floats] = MappingProxyType({})) -> Inspected:
    """The answer to an inspection; a head has the weights of its featurizer."""
    rows = np.stack([places[id] if id in places else place(id) for id in asked.ids])
    gram = Gram(ids=asked.ids, elements=ELEMENTS, products=triangle((rows @ rows.T).tolist()))
    return Inspected(featurizer=gram, head=gram)


def answer_all(found: RoundPlan, facts: dict[str, Answer], correct: Correct = lambda order, cell: 5) -> None:
    for work_id, order in found.orders.items():
        facts[work_id] = _answer(work_id, order, correct)
    for work_id in found.combinations:
        facts[work_id] = Answer(name(work_id + "v"), name(work_id + "f"), name(work_id + "h"))


def holder_of(fingerprint: str) -> str:
    """The key of the one node that has this data."""
    return name(f"holder of {fingerprint}")


def orders_of(found: RoundPlan, kind: type) -> list[Order]:
    return [one for one in found.questions.values() if isinstance(one, Order) and isinstance(one.assignment, kind)]


def trainings(found: RoundPlan) -> list[FineTune]:
    return [one.assignment for one in orders_of(found, FineTune) if isinstance(one.assignment, FineTune)]


def _answer(work_id: str, order: Order, correct: Correct) -> Answer:
    work = order.assignment
    if isinstance(work, Evaluate):
        return Answer(None, None, None, _counts(order, work.cells, correct))
    if isinstance(work, Compare):
        return Answer(None, None, None, comparison=_compared(order, work, correct), node=holder_of(work.fingerprint))
    assert isinstance(work, Probe | FineTune)
    cells = tuple(Cell(domain=domain, split="validation") for domain in work.domains)
    featurizer = work.featurizer if isinstance(work, Probe) else name(work_id + "f")
    counts, node = _counts(order, cells, correct), holder_of(work.fingerprint)
    return Answer(name(work_id + "v"), featurizer, name(work_id + "h"), counts, node=node)


def _counts(order: Order, cells: tuple[Cell, ...], correct: Correct) -> tuple[Evaluation, ...]:
    right = {cell: correct(order, cell) for cell in cells}
    return tuple(_evaluation(cell, right[cell]) for cell in cells)


def _compared(order: Order, work: Compare, correct: Correct) -> Comparison:
    """Each network is right on as many images as `correct` says, of a network alone as of its evaluation, and on which
    ones follows from its digest; pairs and ensemble are counted from these.
    """
    right = [[_right(order, work, network, cell, correct) for cell in work.cells] for network in work.networks]
    pairs = [
        Pair(
            cell=cell,
            first=i,
            second=j,
            both=len(right[i][at] & right[j][at]),
            only_first=len(right[i][at] - right[j][at]),
            only_second=len(right[j][at] - right[i][at]),
            neither=10 - len(right[i][at] | right[j][at]),
            cka=0.5 if work.features else None,
        )
        for at, cell in enumerate(work.cells)
        for i, j in combinations(range(len(right)), 2)
    ]
    ensemble = tuple(
        _evaluation(cell, sum(2 * sum(image in row[at] for row in right) >= len(right) for image in range(10)))
        for at, cell in enumerate(work.cells)
    )
    return Comparison(
        networks=tuple(
            tuple(_evaluation(cell, len(found)) for cell, found in zip(work.cells, row, strict=True)) for row in right
        ),
        ensemble=ensemble if work.ensemble else (),
        pairs=tuple(pairs) if work.pairs else (),
    )


def _right(order: Order, work: Compare, network: Mixture, cell: Cell, correct: Correct) -> set[int]:
    asked: Compare | Evaluate = work.model_copy(update={"networks": (network,)})
    if len(network.featurizer) == len(network.head) == 1:
        shared = {
            key: value
            for key, value in work.model_dump().items()
            if key not in ("kind", "networks", "ensemble", "pairs", "features", "about")
        }
        asked = Evaluate(**shared | {"featurizer": network.featurizer[0].part, "head": network.head[0].part})
    first = int(network.digest[:8], 16)
    return {(first + image) % 10 for image in range(correct(order.model_copy(update={"assignment": asked}), cell))}


def _evaluation(cell: Cell, right: int) -> Evaluation:
    return Evaluation(cell=cell, confusion=((right, 10 - right), (0, 0)))
