"""Recipes that ended in the versions of a list, the scores of these, and the kinds of their tasks.

Each is one question for a whole page, over an index. A version whose round named no result has no recipe: nothing is
guessed from how it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from ratatouille.exchange.assignment import Split
from ratatouille.exchange.version import Version
from ratatouille.tasks.task import Task
from registry.history.self_reported import GROUP, SelfReports
from registry.ledger.event_log import RESULT
from registry.lists import chunks
from registry.records import EntryScore, RecipeResult
from registry.schema import EventRow, RoundRow, ScoreRow, TaskRow
from registry.scores import MEAN

SPLITS: tuple[Split, ...] = ("test", "all", "validation", "train")
"""The order in which they are looked for, where none is named: what was held out says more than what was chosen on."""
FEW_RECIPES = 3
"""Recipes that a version of a list names."""
MOST_RECIPES = 1000

_NAMED = (
    select(
        EventRow.subject,
        EventRow.round,
        EventRow.text,
        EventRow.number,
        func.row_number().over(partition_by=EventRow.subject, order_by=EventRow.number).label("place"),
    )
    .where(EventRow.subject.in_(bindparam("ids", expanding=True)), EventRow.kind == RESULT)
    .subquery()
)
_RECIPES = (
    select(_NAMED.c.subject, _NAMED.c.round, _NAMED.c.text, RoundRow.name)
    .outerjoin(RoundRow, RoundRow.id == _NAMED.c.round)
    .where(_NAMED.c.place <= bindparam("most"))
    .order_by(_NAMED.c.number)
)
_SCORES = select(ScoreRow).where(
    ScoreRow.featurizer.in_(bindparam("featurizers", expanding=True)),
    ScoreRow.head.in_(bindparam("heads", expanding=True)),
    ScoreRow.domain == MEAN,
    ScoreRow.slice == "all",
)
_TASKS = select(TaskRow.record).where(TaskRow.digest.in_(bindparam("digests", expanding=True)))


def known_of(
    connection: Connection, versions: Mapping[str, Version], makers: Mapping[str, str | None], most: int = FEW_RECIPES
) -> dict[str, dict[str, Any]]:
    """The values of the fields of an `Entry` that are known of each version, by id.

    Args:
        versions: those that are asked about, by id.
        makers: the key that made each; None for what the registry made.
        most: recipes that are named of each.
    """
    found: dict[str, dict[str, Any]] = {id: {} for id in versions}
    tasks = _tasks(connection, {one.task for one in versions.values() if one.task is not None})
    for id, version in versions.items():
        if version.task is not None:
            found[id]["task_kind"] = tasks[version.task].kind
    for ids in chunks(list(versions)):
        for id, recipes in _recipes(connection, ids, most).items():
            found[id]["recipes"] = tuple(recipes)
        for id, score in _scores(connection, {id: versions[id] for id in ids}, makers, tasks).items():
            found[id]["score"] = score
    return found


def _recipes(connection: Connection, ids: Sequence[str], most: int) -> dict[str, list[RecipeResult]]:
    found: dict[str, list[RecipeResult]] = {}
    for subject, round, recipe, name in connection.execute(_RECIPES, {"ids": ids, "most": most}):
        found.setdefault(subject, []).append(RecipeResult(recipe=recipe, round=round or "", round_name=name))
    return found


def _scores(
    connection: Connection,
    versions: Mapping[str, Version],
    makers: Mapping[str, str | None],
    tasks: Mapping[str, Task],
) -> dict[str, EntryScore]:
    counted = {id: one for id, one in versions.items() if one.head is not None and one.task is not None}
    if not counted:
        return {}
    parts = {
        "featurizers": sorted({one.featurizer for one in counted.values()}),
        "heads": sorted({str(one.head) for one in counted.values()}),
    }
    rows: dict[tuple[str, str, str], list[ScoreRow]] = {}
    for row in connection.execute(_SCORES, parts).all():
        rows.setdefault((row.featurizer, row.head, row.task), []).append(row)  # type: ignore[arg-type]
    found, own = {}, SelfReports(connection, {(one.featurizer, one.head): makers[id] for id, one in counted.items()})
    for id, one in counted.items():
        if same := rows.get((one.featurizer, str(one.head), str(one.task))):
            best = min(same, key=lambda row: (SPLITS.index(row.split), row.trial, -row.domains, -row.image_size))
            group = {name: getattr(best, name) for name in GROUP[:-1]}
            score = _score(best, tasks[str(one.task)].metric)
            found[id] = score.model_copy(update={"self_reported": own.only(group)}) if makers[id] else score
    return found


def _score(row: Any, metric: str) -> EntryScore:
    return EntryScore(
        metric=metric,
        value=getattr(row, metric),
        margin=getattr(row, f"{metric}_margin"),
        split=row.split,
        domains=row.domains,
        images=row.images,
    )


def _tasks(connection: Connection, digests: Iterable[str]) -> dict[str, Task]:
    records = connection.execute(_TASKS, {"digests": sorted(digests)}).scalars()
    return {task.digest: task for task in map(_task, records)}


@lru_cache(maxsize=64)
def _task(record: str) -> Task:
    return Task.from_json(record)
