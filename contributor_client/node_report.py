"""The report for a node's owner: the scores of the node's own trainings and of the shared model, on its own images.

The report counts nothing itself. A round counts every training and every average on the validation images of each
holding that trained for its target, and the registry has those counts. Where some are missing, the report says which,
and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.recipes.outcome import exact_score
from ratatouille.record import Digest, Name, Record
from registry.lists import MOST_ROWS, every
from registry.records import CellDifference, Details, Entry, LogQuery, RoundRecord, RoundState
from registry.services.registry import Registry


class AloneAndShared(Record):
    """A node's best training of a round and the shared model of a recipe, on the node's validation images."""

    recipe: str
    task: Name
    metric: str
    images: int
    trainings: int
    """How many trainings of the node the best one was chosen from, by these same images."""
    alone: float
    alone_version: Digest
    shared: float
    shared_version: Digest
    difference: float
    """The score of the shared model less that of the training."""
    low: float | None
    high: float | None
    """The 95 % interval of the difference over images; None where the counts do not give one."""
    paired: bool
    """Whether it is known which images both recognise; otherwise the interval is wider than necessary."""

    @property
    def sentence(self) -> str:
        """One line for people."""
        interval = "no interval follows from these counts"
        if self.low is not None and self.high is not None:
            interval = f"95 % interval of how far it is ahead: {100 * self.low:+.1f} to {100 * self.high:+.1f}"
            interval += "" if self.paired else ", wider than need be: it is not known which images both recognise"
        chosen = f", the best of {self.trainings} by these images" if self.trainings > 1 else ""
        return (
            f"{self.recipe}: trained alone {100 * self.alone:.1f} %{chosen}, shared {100 * self.shared:.1f} % "
            f"({self.metric.replace('_', ' ')}) on your {self.images} validation images of task {self.task}; shared is "
            f"{100 * abs(self.difference):.1f} points {'behind' if self.difference < 0 else 'ahead'} ({interval})"
        )


class RoundForNode(Record):
    """The comparisons of one round for a node."""

    round: Name
    name: Name
    state: RoundState
    compared: tuple[AloneAndShared, ...] = ()
    missing: tuple[str, ...] = ()
    """What is not known, and why, in sentences."""


class NodeReport(Record):
    """Every round that a node trained in, the latest first."""

    node: Digest
    rounds: tuple[RoundForNode, ...]


def node_report(registry: Registry, node: str, round: str | None, limit: int) -> NodeReport:
    """The report of a node, by its key: of one round, or of the latest that it trained in.

    Raises:
        Refusal: for a round that the registry does not know.
    """
    if round is not None:
        return NodeReport(node=node, rounds=(round_for_node(registry, node, registry.rounds.round(round)),))
    rounds = every(lambda last: registry.rounds.rounds((), last.id if last else None, MOST_ROWS))
    mine = {one.round for one in _entries(registry, LogQuery(nodes=(node,), kind="fine_tune"))}
    found = [one for one in rounds if one.id in mine][:limit]
    return NodeReport(node=node, rounds=tuple(round_for_node(registry, node, one) for one in found))


def round_for_node(registry: Registry, node: str, round: RoundRecord) -> RoundForNode:
    """The comparisons of one round for a node, and what is missing for them, and why."""
    entries = list(_entries(registry, LogQuery(round=round.id)))
    own = [one for one in entries if one.node == node and one.version.rule.name == "fine_tune"]
    others = {one.id for one in entries if one.node != node and one.version.rule.name == "fine_tune"}
    averages = [
        (result.recipe, one)
        for one in entries
        if one.version.rule.name == "combine" and one.state == "admitted"
        for result in one.recipes
        if result.round == round.id
    ]
    missing: list[str] = []
    if not own:
        missing.append("this node trained nothing in this round, so there is nothing to compare")
    elif not averages:
        missing.append(f"the round, which is {round.state}, has named no average so far")
    compared = []
    for recipe, shared in averages if own else ():
        try:
            compared.append(_compared(registry, recipe, own, others, shared))
        except Refusal as why:
            missing.append(f"{recipe}: {why}")
    return RoundForNode(
        round=round.id, name=round.name, state=round.state, compared=tuple(compared), missing=tuple(missing)
    )


def _compared(registry: Registry, recipe: str, own: Sequence[Entry], others: Set[str], shared: Entry) -> AloneAndShared:
    """The node's best training beside one average; none counts that started from the trainings of `others`.

    Raises:
        Refusal: saying which counts are missing.
    """
    task = registry.definitions.task(str(shared.version.task))
    same = [one for one in own if one.version.task == shared.version.task and one.state == "admitted"]
    helped = [one for one in same if others & {parent.version for parent in one.version.parents}]
    if helped and len(helped) == len(same):
        raise Refusal("each training of this node started from another node's, so none was alone")
    same = [one for one in same if one not in helped]
    if not same:
        trained = ", ".join(sorted({str(one.task_name) for one in own}))
        raise Refusal(f"this node trained on {trained}, and the average is of {task.name}: they share no images")
    scored = []
    for details in (registry.versions.show(one.id) for one in same):
        counts = [one.evaluation for one in details.evaluations if _is_own(details, one.fingerprint)]
        counts = [one for one in counts if one.cell.split == "validation"]
        score = exact_score(counts, task.metric)
        if score is not None:
            scored.append((score, details))
    if not scored:
        raise Refusal("this node's trainings came without counts (`networks_per_week` was used up, or no image)")
    _, best = max(scored, key=lambda one: one[0])  # the first of several
    work = _work(best)
    found = registry.versions.diff(best.entry.id, shared.id, weights=False, holding=work.fingerprint)
    row = _row(found.evaluations, work)
    gap = None if row is None else row.balanced_accuracy if task.metric == "balanced_accuracy" else row.accuracy
    if row is None or gap is None or gap.first is None or gap.second is None or gap.difference is None:
        raise Refusal(
            "the average was not counted on this node's validation images: its data was no training data of the round "
            "for this task, the node's budget was used up, or the round is not over"
        )
    return AloneAndShared(
        recipe=recipe,
        task=task.name,
        metric=task.metric,
        images=row.images[0],
        trainings=len(scored),
        alone=gap.first,
        alone_version=best.entry.id,
        shared=gap.second,
        shared_version=shared.id,
        difference=gap.difference,
        low=gap.low,
        high=gap.high,
        paired=row.paired,
    )


def _row(rows: Sequence[CellDifference], work: FineTune) -> CellDifference | None:
    """The row of all validation domains that both were counted on, or of the only one."""
    found = [
        one
        for one in rows
        if (one.split, one.slice, one.trial, one.image_size) == ("validation", "all", work.trial, work.image_size)
        and one.same_images
    ]
    return next((one for one in found if one.domain is None), found[0] if len(found) == 1 else None)


def _work(details: Details) -> FineTune:
    """The training that made a version."""
    assert details.receipt is not None
    assert isinstance(details.receipt.assignment, FineTune)
    return details.receipt.assignment


def _is_own(details: Details, fingerprint: str) -> bool:
    """Whether counts of a training are on the data that it was trained on."""
    return _work(details).fingerprint == fingerprint


def _entries(registry: Registry, query: LogQuery) -> Iterator[Entry]:
    return every(lambda last: registry.versions.log(query, last.number if last else None, MOST_ROWS))
