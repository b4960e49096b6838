"""The retention policy: a pure function over the history's graph, which versions keep their weights.

For ever: what was ever released or tagged, imports, and what those are made of and were trained from. For a while: the
newest rounds and those that run, with what they build on, and what belongs to no round and is younger than they are.
Ids, receipts, counts and lineage of everything else stay as well; only weights go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["released", "import", "running", "recent", "parent", "start"]
"""Why weights are kept: an alias or tag (ever), an import, a round that goes on, one of the newest rounds or as young,
a parent of an average that is kept, what a kept version was trained from.
"""


@dataclass(frozen=True)
class Node:
    """A version, as far as the policy looks at it."""

    rule: str
    round: str | None
    created: float
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """What the policy looks at."""

    versions: Mapping[str, Node]
    released: Collection[str] = frozenset()
    """What an alias ever pointed at, and what is tagged."""
    running: Collection[str] = frozenset()
    """Ids of rounds that are not over."""
    over: Mapping[str, float] = field(default_factory=dict)
    """Ids of rounds that are, with when they were asked for; the newest first."""
    used: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By round: versions that were there before, and that it builds on."""


def kept(history: History, rounds: int) -> dict[str, Reason]:
    """The versions that keep their weights, each with the first reason.

    Args:
        history: what there is.
        rounds: how many of the newest rounds that are over count; at least one.
    """
    newest = dict(list(history.over.items())[:rounds])
    # while there are fewer rounds than that, nothing is old
    since = min(newest.values()) if len(newest) == rounds else float("-inf")
    known = newest.keys() | history.over.keys() | set(history.running)
    found: dict[str, Reason] = {}
    _note(found, "released", history.released)
    _note(found, "import", (id for id, one in history.versions.items() if one.rule == "import"))
    _note(found, "running", _of_rounds(history, set(history.running)))
    _note(found, "recent", _of_rounds(history, newest.keys()))
    homeless = ((id, one) for id, one in history.versions.items() if one.round is None or one.round not in known)
    _note(found, "recent", (id for id, one in homeless if one.created >= since))
    _note(found, "parent", _averaged_in(history, found))
    starts = (parent for id in list(found) if not _averaged(history, id) for parent in history.versions[id].parents)
    _note(found, "start", starts)
    return found


def _note(found: dict[str, Reason], reason: Reason, versions: Iterable[str]) -> None:
    for version in versions:
        found.setdefault(version, reason)


def _of_rounds(history: History, rounds: Collection[str]) -> list[str]:
    made = [id for id, one in history.versions.items() if one.round in rounds]
    return made + [id for round in rounds for id in history.used.get(round, ()) if id in history.versions]


def _averaged_in(history: History, versions: Iterable[str]) -> list[str]:
    """Parents of these averages, and of the averages among them, all the way down."""
    waiting, found = [id for id in versions if _averaged(history, id)], {}
    while waiting:
        for parent in history.versions[waiting.pop()].parents:
            if parent not in found:
                found[parent] = True
                if _averaged(history, parent):
                    waiting.append(parent)
    return list(found)


def _averaged(history: History, version: str) -> bool:
    return history.versions[version].rule == "combine"
