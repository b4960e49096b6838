"""Disk space that a round needs of the registry: the weights that it will write, and known ones that are gone.

Sizes follow from the architecture and the tasks' classes, to the byte. A combination may turn out to be a part that is
there already, so the sum is the most that can come.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ratatouille.exchange.assignment import FineTune, Probe
from ratatouille.exchange.version import Combination
from ratatouille.recipes.plan import Forecast, Imagined
from ratatouille.weights.canonical import size
from registry.records import Result
from registry.services.registry import Registry


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
        task = _task_of(combination, tasks)
        if task is not None:
            tasks[_version(work_id, facts)] = task
    return tasks


def _task_of(combination: Combination, tasks: Mapping[str, str]) -> str | None:
    return tasks.get(combination.parents[0].version) if combination.parts == "both" else None


def _version(work_id: str, facts: Mapping[str, Result]) -> str:
    known = facts.get(work_id)
    return Imagined(work_id).version if known is None or known.version is None else known.version
