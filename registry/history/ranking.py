"""The best versions of a task by what is known of them, from the `scores` table alone.

A ranking is fair or it is not given: all versions in it are counted on the same domains, split and slice, with one
trial's split of the images. A mean over domains ranks those that were counted on most; where different sets of domains
are equally large, the caller must name a domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, and_, bindparam, exists, func, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Slice, Split
from registry.history.queries import entries, read
from registry.history.results import SPLITS
from registry.history.self_reported import GROUP, SelfReports
from registry.ledger.definitions import task
from registry.lists import chunks
from registry.records import DomainScore, Entry, Metric, Ranked, Ranking
from registry.schema import ScoreRow, VersionRow
from registry.scores import MEAN
from registry.texts import LONGEST_NAME

MOST_RANKED = 1000
MOST_SETS = 5
"""Sets of domains that a refusal names."""

Asked = dict[str, Any]
"""Values of the parameters below: `of` which task, `trial`, `slice`, `place` (a domain or the mean) and so on."""

_PAIR = ("featurizer", "head", "image_size")
_ASKED = tuple(
    column == bindparam(name)
    for column, name in ((ScoreRow.task, "of"), (ScoreRow.trial, "trial"), (ScoreRow.slice, "slice"))
)
_SPLIT = ScoreRow.split == bindparam("split")
_CELL = (*_ASKED, ScoreRow.domain == bindparam("place"), _SPLIT)
_OF_SIZE = (*_CELL, ScoreRow.domains == bindparam("size"))
_SET = (*_OF_SIZE, ScoreRow.counted == bindparam("counted"))
_SIZE = select(func.max(ScoreRow.domains)).where(*_CELL)
_NEXT_SET = select(func.min(ScoreRow.counted)).where(*_OF_SIZE, ScoreRow.counted > bindparam("last"))
_HAVING = (
    select(VersionRow.featurizer, VersionRow.head, func.count().label("versions"))
    .where(VersionRow.featurizer.in_(bindparam("featurizers", expanding=True)), VersionRow.state == "admitted")
    .group_by(VersionRow.featurizer, VersionRow.head)
)
_ENTRIES = entries().where(VersionRow.number.in_(bindparam("numbers", expanding=True)))


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
    if domain is not None and not 0 < len(domain) <= LONGEST_NAME:
        raise Refusal(f"{domain[:80]!r} is no name of a domain; those of task {of.name} are {', '.join(of.domains)}")
    metric = metric or of.metric
    asked: Asked = {"of": of.digest, "trial": trial, "slice": slice, "place": MEAN if domain is None else domain}
    found = _split(connection, asked, split)
    if found is None:
        raise Refusal(_nothing(connection, of.name, asked, domain, split))
    asked |= found
    asked["counted"] = _only_set(connection, asked, of.name)
    rows = _top(connection, asked, metric, max(0, min(limit, MOST_RANKED)))
    known = {entry.number: entry for entry in _entries(connection, [row.version for row in rows])}
    domains = _domains(connection, rows, asked, metric)
    having = _having(connection, rows)
    makers = {(row.featurizer, row.head): known[row.version].node for row in rows}
    own, over_all = SelfReports(connection, makers), None if domain is None else {domain}
    versions = tuple(
        Ranked(
            entry=known[row.version],
            value=getattr(row, metric),
            margin=getattr(row, f"{metric}_margin"),
            images=row.images,
            image_size=row.image_size,
            domains=tuple(domains[row.featurizer, row.head, row.image_size]) if domain is None else (),
            sharing=having[row.featurizer, row.head] - 1,
            self_reported=own.only({name: getattr(row, name) for name in GROUP[:-1]}, over_all),
        )
        for row in rows
    )
    names = {one.domain for version in versions for one in version.domains}
    over = tuple(sorted(names)) if domain is None else (domain,)
    return Ranking(
        task=of.name, metric=metric, split=asked["split"], slice=slice, trial=trial, domains=over, versions=versions
    )


def _split(connection: Connection, asked: Asked, split: Split | None) -> Asked | None:
    """The split, and how many domains the largest set that was counted on it has; None where nothing was."""
    for one in SPLITS if split is None else (split,):
        size = connection.execute(_SIZE, {**asked, "split": one}).scalar()
        if size is not None:
            return {"split": one, "size": size}
    return None


def _only_set(connection: Connection, asked: Asked, name: str) -> str:
    """The short name of the only set of domains of this size.

    Raises:
        Refusal: when there are several.
    """
    sets: list[str] = []
    while len(sets) < MOST_SETS:  # one step of the index for each set, however many versions it has
        following = connection.execute(_NEXT_SET, {**asked, "last": sets[-1] if sets else ""}).scalar()
        if following is None:
            break
        sets.append(following)
    if len(sets) > 1:
        names = "; ".join(_names(connection, {**asked, "counted": one}) for one in sets)
        raise Refusal(
            f"versions for {name} were counted on different domains ({names}), and their means do not compare; "
            "name one with --domain"
        )
    return sets[0]


def _names(connection: Connection, of_set: Asked) -> str:
    """The domains of a set, as one version's rows name them."""
    row = connection.execute(select(ScoreRow).where(*_SET).limit(1), of_set).one()
    same = [getattr(ScoreRow, name) == getattr(row, name) for name in ("featurizer", "head", "task", "trial")]
    same += [getattr(ScoreRow, name) == getattr(row, name) for name in ("image_size", "split", "slice")]
    query = select(ScoreRow.domain).where(*same, ScoreRow.domain != MEAN).order_by(ScoreRow.domain)
    return " + ".join(connection.execute(query).scalars())


def _top(connection: Connection, asked: Asked, metric: Metric, limit: int) -> list[Row[Any]]:
    """The best rows, one for each version; parts that several versions have are the oldest one's."""
    best: dict[int, Row[Any]] = {}
    wanted = limit
    while True:  # a second round only where versions were counted in several image sizes
        rows = connection.execute(_best_first(metric), {**asked, "wanted": wanted}).all()
        for row in rows:
            best.setdefault(row.version, row)
        if len(best) >= limit or len(rows) < wanted:
            return list(best.values())[:limit]
        best, wanted = {}, wanted * 4


def _having(connection: Connection, rows: Sequence[Row[Any]]) -> dict[tuple[str, str | None], int]:
    """How many admitted versions have the parts of these rows."""
    found: dict[tuple[str, str | None], int] = {}
    for some in chunks({row.featurizer for row in rows}):
        for one in connection.execute(_HAVING, {"featurizers": some}):
            found[one.featurizer, one.head] = one.versions
    return found


@cache
def _best_first(metric: Metric) -> Select[*tuple[Any, ...]]:
    same_parts = (VersionRow.featurizer == ScoreRow.featurizer, VersionRow.head == ScoreRow.head)
    oldest = select(func.min(VersionRow.number)).where(*same_parts, VersionRow.state == "admitted")
    version = oldest.correlate(ScoreRow).scalar_subquery()
    return (
        select(ScoreRow, version.label("version"))
        .where(*_SET, exists().where(*same_parts, VersionRow.state == "admitted"))
        .order_by(getattr(ScoreRow, metric).desc(), version)
        .limit(bindparam("wanted", type_=Integer))
    )


def _entries(connection: Connection, numbers: Sequence[int]) -> list[Entry]:
    return list(read(connection, _ENTRIES, {"numbers": numbers})) if numbers else []


def _domains(
    connection: Connection, rows: Sequence[Row[Any]], asked: Asked, metric: Metric
) -> dict[tuple[str, str, int], list[DomainScore]]:
    """What each of these means is a mean of, by parts and image size."""
    found: dict[tuple[str, str, int], list[DomainScore]] = {}
    for row in rows:
        found[row.featurizer, row.head, row.image_size] = []
    if not found:
        return found
    parts = {
        f"{name}_{number}": value for number, pair in enumerate(found) for name, value in zip(_PAIR, pair, strict=True)
    }
    for row in connection.execute(_domains_of(len(found)), {**asked, **parts}):
        score = DomainScore(
            domain=row.domain,
            value=getattr(row, metric),
            margin=getattr(row, f"{metric}_margin"),
            images=row.images,
        )
        found[row.featurizer, row.head, row.image_size].append(score)
    return found


@lru_cache(maxsize=8)
def _domains_of(count: int) -> Select[ScoreRow]:
    """The rows by domain of so many pairs of parts and image size."""
    pairs = [
        # all columns of the primary key in each, or one index for all of them would look better than it is
        and_(*(getattr(ScoreRow, name) == bindparam(f"{name}_{number}") for name in _PAIR), *_ASKED, _SPLIT)
        for number in range(count)
    ]
    return select(ScoreRow).where(or_(*pairs), ScoreRow.domain != MEAN).order_by(ScoreRow.domain)


def _nothing(
    connection: Connection,
    name: str,
    asked: Asked,
    domain: str | None,
    split: Split | None,
) -> str:
    """Why there is nothing to rank, and what there is instead."""
    where = f" on domain {domain}" if domain is not None else ""
    where += f" on split {split}" if split is not None else ""
    counted = [one for one in SPLITS if _split(connection, {**asked, "place": MEAN}, one)]
    hint = f"there are counts on {', '.join(counted)}" if counted else "`ratatouille show` lists what was counted"
    return f"no version for {name} was counted{where} in this trial and slice; {hint}"
