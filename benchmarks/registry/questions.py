"""Queries of a long history, in process, each beside a bare query of the same rows on the same database.

The bare query gets the rows of the answer's versions by their keys, and does nothing with them. Both are run by turns,
so that other load on the machine weighs on both, and what counts is the ratio of their medians. A ratio does not judge
the machine; milliseconds are shown beside it for people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from sqlalchemy import select

from benchmarks.registry.filling import Landmarks
from benchmarks.registry.history import BEGINNING, NODES, TASKS
from registry.database import Database
from registry.lists import chunks
from registry.records import LogQuery
from registry.schema import VersionRow
from registry.services.registry import Registry

QUICK, WALK = 40.0, 15.0
"""How many times as long as the bare query a question may take: one whose answer is a page or less, and one whose
answer is a thousand versions.
"""


@dataclass(frozen=True)
class Question:
    """One question, with the limit of its ratio."""

    name: str
    limit: float
    ask: Callable[[Registry], Any]


def questions(marks: Landmarks) -> list[Question]:
    """All questions about this history."""
    last = BEGINNING + 60.0 * marks.versions
    day = 24 * 3600.0

    def page(name: str, before: int | None = None, **query: Any) -> Question:
        return Question(f"log: {name}", QUICK, lambda registry: registry.versions.log(LogQuery(**query), before))

    task = TASKS[0].name
    return [
        page("the latest page"),
        page("a page in the middle", marks.versions // 2),
        page("the oldest page", 51),
        page("--task", task=task),
        page("--task, in the middle", marks.versions // 2, task=task),
        page("--kind", kind="combine"),
        page("--contributor, a name of two keys", contributor="node-1"),
        page("--contributor, a key", contributor=NODES[3][:12]),
        page("--round", round="round-17"),
        page("--since three days ago", since=last - 3 * day),
        page("--until the first day", until=BEGINNING + day),
        page("--state retracted", state="retracted"),
        page("--text, of one message in 23", text="run 7 of"),
        page("--text, of no message", text="nobody wrote this"),
        page("--task --kind --since", task=task, kind="combine", since=last - 10 * day),
        Question("show: a training", QUICK, lambda registry: registry.versions.show(marks.training)),
        Question("show: an average", QUICK, lambda registry: registry.versions.show(marks.average)),
        Question("show: the foundation", QUICK, lambda registry: registry.versions.show(marks.foundation)),
        Question("best: mean over domains", QUICK, lambda registry: registry.versions.best(task)),
        Question("best: one domain", QUICK, lambda registry: registry.versions.best(task, domain="sketch")),
        Question(
            "best: balanced accuracy", QUICK, lambda registry: registry.versions.best(task, metric="balanced_accuracy")
        ),
        Question(
            "resolve: the beginning of an id", QUICK, lambda registry: registry.versions.resolve(marks.average[:10])
        ),
        Question("resolve: stable~3", QUICK, lambda registry: registry.versions.resolve("stable~3")),
        Question("lineage: 1,000 ancestors, wide", WALK, lambda registry: registry.versions.lineage(marks.wide)),
        Question(
            "lineage: 1,000 ancestors, a chain", WALK, lambda registry: registry.versions.lineage(marks.chain, 10_000)
        ),
        Question(
            "contributions: of an average of 975", WALK, lambda registry: registry.versions.contributions(marks.wide)
        ),
    ]


def timed(registry: Registry, database: Database, asked: Question, repeats: int) -> dict[str, Any]:
    """Ask again and again; the first time, which compiles the query, is not counted.

    Args:
        registry: what is asked.
        database: that of the registry, for the bare query.
        asked: the question.
        repeats: how often.
    """
    answer = asked.ask(registry)
    ids = _versions(answer)
    ours: list[float] = []
    bare: list[float] = []
    for turn in range(repeats + 1):
        for took, call in ((ours, partial(asked.ask, registry)), (bare, partial(_bare, database, ids))):
            begun = time.perf_counter()
            call()
            if turn:
                took.append(1000 * (time.perf_counter() - begun))
    ratio = median(ours) / median(bare)
    return {
        "question": asked.name,
        "rows": len(_rows(answer)),
        "milliseconds": round(median(ours), 2),
        "bare_milliseconds": round(median(bare), 2),
        "ratio": round(ratio, 1),
        "limit": asked.limit,
        "met": ratio <= asked.limit,
    }


def _bare(database: Database, ids: Sequence[str]) -> None:
    """Read the rows of versions; of none, look for one that is not there."""
    with database.read() as connection:
        for some in chunks(ids or ["0" * 64]):
            connection.execute(select(VersionRow).where(VersionRow.id.in_(some))).all()


def _rows(answer: Any) -> Any:
    return answer if isinstance(answer, list) else getattr(answer, "versions", (answer,))


def _versions(answer: Any) -> list[str]:
    """Ids of the versions that an answer tells of."""
    return [one if isinstance(one, str) else getattr(one, "entry", one).id for one in _rows(answer)]
