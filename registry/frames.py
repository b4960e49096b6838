"""Answers of the registry as pandas frames: `frame(registry.versions.log())`, `frame(registry.versions.show("v1"))`.

One row for each entry, cell, ancestor, contribution, ranked version or tensor; times are UTC timestamps, records are
flat columns. pandas is an extra of its own, and imported when a frame is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ratatouille.errors import Refusal
from ratatouille.exchange.statistics import margin
from ratatouille.record import Record
from registry.records import Contribution, Details, Difference, Entry, LineageRow, Ranking

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, Any]
TIMES = ("created", "changed", "at")
"""Columns that hold seconds since 1970."""


def frame(answer: Record | Sequence[Record]) -> DataFrame:
    """An answer of a registry as a frame.

    Args:
        answer: entries, details (their evaluations), a walk, contributions, a ranking, a difference (its tensors), or
            flat records such as moves, tags, rounds and events.

    Raises:
        Refusal: without pandas.
    """
    try:
        from pandas import DataFrame, to_datetime
    except ModuleNotFoundError as error:
        raise Refusal("frames need pandas, which is not installed; pip install 'model-ratatouille[frames]'") from error
    records = [answer] if isinstance(answer, Record) else list(answer)
    made = DataFrame([row for record in records for row in _ROWS.get(type(record), _flat)(record)])
    for name in TIMES:
        if name in made:
            made[name] = to_datetime(made[name], unit="s", utc=True)
    return made


def _flat(record: Any) -> Iterator[Row]:
    yield record.model_dump()


def _entry(entry: Entry) -> Iterator[Row]:
    rule = entry.version.rule
    yield {
        "number": entry.number,
        "id": entry.id,
        "created": entry.created,
        "rule": rule.name,
        "purpose": rule.purpose,
        "method": rule.method if rule.name == "combine" else None,
        "task": entry.task_name,
        "contributor": entry.contributor,
        "node": entry.node,
        "round": entry.round,
        "state": entry.state,
        "message": entry.message,
        "aliases": list(entry.aliases),
        "parents": [parent.version for parent in entry.version.parents],
        "featurizer": entry.version.featurizer,
        "head": entry.version.head,
    }


def _details(details: Details) -> Iterator[Row]:
    """What a version was counted on, a row for each holding."""
    for one in details.evaluations:
        counts = one.evaluation
        yield {
            "id": details.entry.id,
            "task": one.task_name,
            **counts.cell.model_dump(),
            "trial": one.trial,
            "image_size": one.image_size,
            "images": counts.count,
            "correct": counts.correct,
            "accuracy": counts.accuracy,
            "margin": margin(counts.correct, counts.count),
            "balanced_accuracy": counts.balanced_accuracy,
            "fingerprint": one.fingerprint,
            "node": one.node,
        }


def _walk(row: LineageRow) -> Iterator[Row]:
    way = {"depth": row.depth, "through": row.through, "coefficient": row.coefficient}
    yield from (way | one for one in _entry(row.entry))


def _contribution(found: Contribution) -> Iterator[Row]:
    yield from ({"share": found.share, "exact": found.exact} | one for one in _entry(found.entry))


def _ranking(ranking: Ranking) -> Iterator[Row]:
    """A row for each version, with a column for each domain that its value is a mean of."""
    for place, one in enumerate(ranking.versions, 1):
        score = {"place": place, ranking.metric: one.value, "margin": one.margin, "images": one.images}
        domains = {each.domain: each.value for each in one.domains}
        yield from (score | {"image_size": one.image_size} | known | domains for known in _entry(one.entry))


def _difference(found: Difference) -> Iterator[Row]:
    for part in found.parts:
        for tensor in part.tensors:
            yield {"part": part.part, **tensor.model_dump()}


_ROWS: Mapping[type, Callable[[Any], Iterator[Row]]] = {
    Entry: _entry,
    Details: _details,
    LineageRow: _walk,
    Contribution: _contribution,
    Ranking: _ranking,
    Difference: _difference,
}
