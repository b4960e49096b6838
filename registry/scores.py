"""The `scores` table: what evaluations add up to, so that the best versions are found without reading a matrix.

Its rows are made from `evaluations` in the transaction that writes those, and made again when an evaluation is taken
back; nothing else writes them. A mean over domains says which domains it is over, since only equal sets compare.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, insert, select

from ratatouille.exchange.confusion import Confusion, add, known_confusion, totals
from ratatouille.exchange.statistics import METRICS, CountedShare, mean_of
from ratatouille.record import canonical_json, sha256
from registry.schema import ContributionRow, EvaluationRow, ScoreRow

MEAN = ""
"""In place of a domain: the mean over domains."""
_GROUP = ("featurizer", "head", "task", "trial", "image_size")
COUNTING = ("admitted", "duplicate")
"""States of contributions whose evaluations count; those of a duplicate are there only where its version came beside
another answer.
"""
_CELL = ("fingerprint", "domain", "split", "slice")

_GROUP_OF = (
    select(*(getattr(EvaluationRow, name) for name in _GROUP))
    .where(EvaluationRow.receipt == bindparam("this"))
    .limit(1)
)
_FORGET = delete(ScoreRow).where(*(getattr(ScoreRow, name) == bindparam(name) for name in _GROUP))
_SCORES = insert(ScoreRow)


def count_again(connection: Connection, receipt: str) -> None:
    """Sum up anew the rows that a receipt's evaluations are part of, also after its retraction; no image is counted."""
    group = connection.execute(_GROUP_OF, {"this": receipt}).mappings().first()
    if group is None:
        return
    connection.execute(_FORGET, dict(group))
    rows = counted(connection, dict(group))
    if rows:
        connection.execute(_SCORES, rows)


def counted(connection: Connection, group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that the evaluations make of one pair of parts, task, trial and image size (or fewer of these)."""
    rows = connection.execute(_counting(tuple(group)), group).mappings()
    groups = groupby(rows, key=lambda row: tuple(row[name] for name in _GROUP))
    return [made for _, rows in groups for made in score_rows(rows)]


@cache
def _counting(names: tuple[str, ...]) -> Select[Any]:
    """The evaluations that count where these columns have the values that are given by their names."""
    columns = [getattr(EvaluationRow, name) for name in (*_GROUP, *_CELL, "confusion")]
    return (
        select(*columns)
        .join(ContributionRow, ContributionRow.receipt == EvaluationRow.receipt)
        .where(*(getattr(EvaluationRow, name) == bindparam(name) for name in names))
        .where(ContributionRow.state.in_(COUNTING))
        .order_by(*(getattr(EvaluationRow, name) for name in _GROUP), EvaluationRow.number)
    )


def score_rows(evaluations: Iterable[Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    """The rows that evaluations make: one for each domain of a split and slice, and one for their mean.

    Args:
        evaluations: columns of the admitted evaluations of one pair of parts, task, trial and image size, in the order
            of their numbers; of a cell that was counted twice on the same data the first counts.
    """
    seen = set()
    cells: dict[tuple[str, str], dict[str, list[Confusion]]] = defaultdict(lambda: defaultdict(list))
    group: dict[str, Any] = {}
    for row in evaluations:
        group = {name: row[name] for name in _GROUP}
        cell = tuple(row[name] for name in _CELL)
        if cell not in seen:
            seen.add(cell)
            domains = cells[row["split"], row["slice"]]
            domains[row["domain"]].append(known_confusion(row["confusion"]))
    for (split, slice_), domains in sorted(cells.items()):
        summed = {domain: add(matrices) for domain, matrices in sorted(domains.items())}
        found = {domain: counts for domain, counts in summed.items() if totals(counts)[1]}
        scores = {domain: [metric(counts) for metric in METRICS.values()] for domain, counts in found.items()}
        where = group | {"split": split, "slice": slice_}
        for domain, one in scores.items():
            yield where | _columns(domain, [domain], one)
        if scores:
            yield where | _columns(MEAN, list(found), [mean_of(each) for each in zip(*scores.values(), strict=True)])


def set_of(domains: Iterable[str]) -> str:
    """A short name for a set of domains."""
    return sha256(canonical_json(sorted(domains)))[:16]


def _columns(domain: str, over: list[str], scores: list[CountedShare]) -> dict[str, Any]:
    values = dict(zip(METRICS, (one.value for one in scores), strict=True))
    margins = {f"{name}_margin": one.margin for name, one in zip(METRICS, scores, strict=True)}
    counts = {"images": scores[0].images, "correct": scores[0].correct}
    return {"domain": domain, "domains": len(over), "counted": set_of(over), **counts, **values, **margins}
