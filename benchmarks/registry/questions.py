"""Queries of a long history, in process: median and slowest of many, each against its limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.registry.filling import Landmarks
from benchmarks.registry.history import BEGINNING, NODES, TASKS
from registry.records import LogQuery
from registry.services.registry import Registry

QUICK, WALK = 10.0, 50.0
"""Milliseconds: for what people wait for at every step, and for a lineage of 1,000 ancestors."""


@dataclass(frozen=True)
class Question:
    """One question, with its limit in milliseconds."""

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


def timed(registry: Registry, asked: Question, repeats: int) -> dict[str, Any]:
    """Ask again and again; the first time, which compiles the query, is not counted."""
    rows = len(_rows(asked.ask(registry)))
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        asked.ask(registry)
        took.append(1000 * (time.perf_counter() - begun))
    middle = median(took)
    return {
        "question": asked.name,
        "rows": rows,
        "milliseconds": round(middle, 2),
        "slowest": round(max(took), 2),
        "limit": asked.limit,
        "met": middle <= asked.limit,
    }


def _rows(answer: Any) -> Any:
    return answer if isinstance(answer, list) else getattr(answer, "versions", (answer,))
