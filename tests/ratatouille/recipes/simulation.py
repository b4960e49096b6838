"""A simulated federation for plans: it answers every open question at once, with digests that follow from it."""

from collections.abc import Callable
from dataclasses import dataclass

from ratatouille.exchange.assignment import Cell, Compare, Evaluate, FineTune, Probe
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.recipes.plan import plan
from ratatouille.recipes.protocol import EMOJI, Protocol
from ratatouille.recipes.round import Auxiliary, Round, Share, Start
from ratatouille.recipes.walk import Plan
from ratatouille.record import sha256

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


def a_round(
    auxiliaries: str = "wxyz",
    recipes: tuple[str, ...] = ("linear_probe", "vanilla", "soup", "ratatouille"),
    protocol: Protocol | None = None,
    training: tuple[Share, ...] = (Share(fingerprint=name("data"), domains=("clay", "ink")),),
    min_runs: int | None = None,
    pool_trials: int = 1,
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
        evaluation=(Share(fingerprint=name("held"), domains=("wool",)),),
        auxiliaries=tuple(
            Auxiliary(name=one, task=name(one), share=Share(fingerprint=name(f"data {one}"), domains=("clay",)))
            for one in auxiliaries
        ),
        recipes=recipes,
        protocol=protocol or EMOJI.model_copy(update={"runs": 5}),
        min_runs=min_runs,
        pool_trials=pool_trials,
    )


def run(round: Round, correct: Correct = lambda order, cell: 5, most: int = 100) -> tuple[Plan, dict[str, Answer]]:
    """Answer until nothing is open; returns the last plan and all facts."""
    facts: dict[str, Answer] = {}
    for _ in range(most):
        found = plan(round, facts)
        if not found.orders and not found.combinations:
            return found, facts
        answer_all(found, facts, correct)
    raise AssertionError("the plan does not come to an end")


def answer_all(found: Plan, facts: dict[str, Answer], correct: Correct = lambda order, cell: 5) -> None:
    for work_id, order in found.orders.items():
        facts[work_id] = _answer(work_id, order, correct)
    for work_id in found.combinations:
        facts[work_id] = Answer(name(work_id + "v"), name(work_id + "f"), name(work_id + "h"))


def orders_of(found: Plan, kind: type) -> list[Order]:
    return [one for one in found.questions.values() if isinstance(one, Order) and isinstance(one.assignment, kind)]


def trainings(found: Plan) -> list[FineTune]:
    return [one.assignment for one in orders_of(found, FineTune) if isinstance(one.assignment, FineTune)]


def _answer(work_id: str, order: Order, correct: Correct) -> Answer:
    work = order.assignment
    if isinstance(work, Evaluate):
        return Answer(None, None, None, _counts(order, work.cells, correct))
    if isinstance(work, Compare):
        rows = tuple(_counts(order, work.cells, correct) for _ in work.networks)
        ensemble = _counts(order, work.cells, correct) if work.ensemble else ()
        return Answer(None, None, None, comparison=Comparison(networks=rows, ensemble=ensemble))
    assert isinstance(work, Probe | FineTune)
    cells = tuple(Cell(domain=domain, split="validation") for domain in work.domains)
    featurizer = work.featurizer if isinstance(work, Probe) else name(work_id + "f")
    return Answer(name(work_id + "v"), featurizer, name(work_id + "h"), _counts(order, cells, correct))


def _counts(order: Order, cells: tuple[Cell, ...], correct: Correct) -> tuple[Evaluation, ...]:
    right = {cell: correct(order, cell) for cell in cells}
    return tuple(Evaluation(cell=cell, confusion=((right[cell], 10 - right[cell]), (0, 0))) for cell in cells)
