"""The best versions of a task by what is known of them, from the `scores` table alone.

A ranking is fair or it is not given: all versions in it are counted on the same domains, split and slice, with one
trial's split of the images. A mean over domains ranks those that were counted on most; where different sets of domains
are equally large, nobody but the asker can say which one is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Slice, Split
from registry.contributions.definitions import task
from registry.history.queries import entries, read
from registry.history.scores import MEAN
from registry.records import DomainScore, Metric, Ranked, Ranking
from registry.schema import ScoreRow, VersionRow

MOST_RANKED = 1000
MOST_SETS = 5
"""Sets of domains that a refusal names."""
SPLITS: tuple[Split, ...] = ("test", "all", "validation", "train")
"""The order in which they are looked for, where none is named."""


def best(
    connection: Connection,
    about: str,
    domain: str | None = None,
    split: Split | None = None,
    metric: Metric | None = None,
    slice: Slice = "all",
    trial: int = 0,
    limit: int = 10,
) -> Ranking:
    """The best versions, the best first; of those that are level the older one.

    Args:
        about: the task, by name or digest.
        domain: only what was counted on this domain; None: the mean over domains.
        split: which images; None: the first of `SPLITS` that anything was counted on.
        metric: None: the task's own.
        slice: which groups of images.
        trial: whose split of the images.
        limit: how many versions.

    Raises:
        Refusal: when nothing was counted so, or several sets of domains could be meant.
    """
    of = task(connection, about)
    metric = metric or of.metric
    asked = (ScoreRow.task == of.digest, ScoreRow.trial == trial, ScoreRow.slice == slice)
    place = MEAN if domain is None else domain
    found = _split(connection, (*asked, ScoreRow.domain == place), split)
    if found is None:
        raise Refusal(_nothing(connection, of.name, asked, domain, split))
    cell = (*asked, ScoreRow.domain == place, ScoreRow.split == found)
    counted = _largest_set(connection, cell, of.name)
    rows = _top(connection, (*cell, *counted), metric, max(0, min(limit, MOST_RANKED)))
    known = {entry.number: entry for entry in _entries(connection, [row.version for row in rows])}
    domains = _domains(connection, rows, (*asked, ScoreRow.split == found), metric)
    versions = tuple(
        Ranked(
            entry=known[row.version],
            value=getattr(row, metric),
            margin=getattr(row, f"{metric}_margin"),
            images=row.images,
            image_size=row.image_size,
            domains=tuple(domains[row.featurizer, row.head, row.image_size]) if domain is None else (),
        )
        for row in rows
    )
    names = {one.domain for version in versions for one in version.domains}
    over = tuple(sorted(names)) if domain is None else (domain,)
    return Ranking(task=of.name, metric=metric, split=found, slice=slice, trial=trial, domains=over, versions=versions)


def _split(connection: Connection, cell: Sequence[ColumnElement[bool]], split: Split | None) -> Split | None:
    for one in SPLITS if split is None else (split,):
        if connection.execute(select(ScoreRow.domain).where(*cell, ScoreRow.split == one).limit(1)).first():
            return one
    return None


def _largest_set(
    connection: Connection, cell: Sequence[ColumnElement[bool]], name: str
) -> tuple[ColumnElement[bool], ...]:
    """The condition that rows are about the largest set of domains."""
    size = connection.execute(select(func.max(ScoreRow.domains)).where(*cell)).scalar_one()
    of_size = (*cell, ScoreRow.domains == size)
    sets: list[str] = []
    while len(sets) < MOST_SETS:  # one step of the index for each set, however many versions it has
        query = select(func.min(ScoreRow.counted)).where(*of_size, ScoreRow.counted > (sets[-1] if sets else ""))
        following = connection.execute(query).scalar()
        if following is None:
            break
        sets.append(following)
    if len(sets) > 1:
        names = "; ".join(_names(connection, (*of_size, ScoreRow.counted == one)) for one in sets)
        raise Refusal(
            f"versions for {name} were counted on different domains ({names}), and their means do not compare; "
            "name one with --domain"
        )
    return (ScoreRow.domains == size, ScoreRow.counted == sets[0])


def _names(connection: Connection, of_set: Sequence[ColumnElement[bool]]) -> str:
    """The domains of a set, as one version's rows name them."""
    row = connection.execute(select(ScoreRow).where(*of_set).limit(1)).one()
    same = [getattr(ScoreRow, name) == getattr(row, name) for name in ("featurizer", "head", "task", "trial")]
    same += [getattr(ScoreRow, name) == getattr(row, name) for name in ("image_size", "split", "slice")]
    query = select(ScoreRow.domain).where(*same, ScoreRow.domain != MEAN).order_by(ScoreRow.domain)
    return " + ".join(connection.execute(query).scalars())


def _top(connection: Connection, conditions: Sequence[ColumnElement[bool]], metric: str, limit: int) -> list[Row[Any]]:
    """The best rows, one for each version; parts that several versions have are the oldest one's."""
    same_parts = (VersionRow.featurizer == ScoreRow.featurizer, VersionRow.head == ScoreRow.head)
    oldest = select(func.min(VersionRow.number)).where(*same_parts, VersionRow.state == "admitted")
    version = oldest.correlate(ScoreRow).scalar_subquery()
    query = (
        select(ScoreRow, version.label("version"))
        .where(*conditions, exists().where(*same_parts, VersionRow.state == "admitted"))
        .order_by(getattr(ScoreRow, metric).desc(), version)
    )
    best: dict[int, Row[Any]] = {}
    wanted = limit
    while True:  # a second round only where versions were counted in several image sizes
        rows = connection.execute(query.limit(wanted)).all()
        for row in rows:
            best.setdefault(row.version, row)
        if len(best) >= limit or len(rows) < wanted:
            return list(best.values())[:limit]
        best, wanted = {}, wanted * 4


def _entries(connection: Connection, numbers: Sequence[int]) -> list[Any]:
    return list(read(connection, entries().where(VersionRow.number.in_(numbers)))) if numbers else []


def _domains(
    connection: Connection, rows: Sequence[Row[Any]], asked: Sequence[ColumnElement[bool]], metric: str
) -> dict[tuple[str, str, int], list[DomainScore]]:
    """What each of these means is a mean of, by parts and image size."""
    found: dict[tuple[str, str, int], list[DomainScore]] = {}
    for row in rows:
        found[row.featurizer, row.head, row.image_size] = []
    if not found:
        return found
    pairs = [
        # all columns of the primary key in each, or one index for all of them would look better than it is
        and_(ScoreRow.featurizer == featurizer, ScoreRow.head == head, ScoreRow.image_size == size, *asked)
        for featurizer, head, size in found
    ]
    query = select(ScoreRow).where(or_(*pairs), ScoreRow.domain != MEAN).order_by(ScoreRow.domain)
    for row in connection.execute(query):
        score = DomainScore(
            domain=row.domain,
            value=getattr(row, metric),
            margin=getattr(row, f"{metric}_margin"),
            images=row.images,
        )
        found[row.featurizer, row.head, row.image_size].append(score)
    return found


def _nothing(
    connection: Connection,
    name: str,
    asked: Sequence[ColumnElement[bool]],
    domain: str | None,
    split: Split | None,
) -> str:
    """Why there is nothing to rank, and what there is instead."""
    where = f" on domain {domain}" if domain is not None else ""
    where += f" on split {split}" if split is not None else ""
    counted = [one for one in SPLITS if _split(connection, (*asked, ScoreRow.domain == MEAN), one)]
    hint = f"there are counts on {', '.join(counted)}" if counted else "`ratatouille show` lists what was counted"
    return f"no version for {name} was counted{where} in this trial and slice; {hint}"
