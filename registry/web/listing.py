"""Versions that a page lists: those of a round, the newest, and those that others were made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from registry.records import AliasMove, LogQuery
from registry.services.registry import Registry
from registry.web.brief import Brief, brief

MOST_IN_ROUND = 600
"""Versions of one round that are drawn; the round's own page lists all."""
MOST_OUTSIDE = 12
MOST_ALIASES = 50
MOST_MOVES = 100
"""Moves of one alias that are looked through for a round's releases."""


def of_round(registry: Registry, id: str, most: int = MOST_IN_ROUND) -> list[Brief]:
    """The versions of a round, the latest first."""
    return [brief(entry) for entry in registry.versions.log(LogQuery(round=id), limit=most)]


def newest(registry: Registry, most: int) -> list[Brief]:
    """The latest versions of all."""
    return [brief(entry) for entry in registry.versions.log(limit=most)]


def sources(registry: Registry, versions: Sequence[Brief]) -> list[Brief]:
    """Versions from elsewhere that these were made from, at most a few."""
    here = {one.id for one in versions}
    wanted = dict.fromkeys(parent.version for one in versions for parent in one.parents if parent.version not in here)
    return [one for id in list(wanted)[:MOST_OUTSIDE] for one in alone(registry, id)]


def alone(registry: Registry, revision: str) -> Iterable[Brief]:
    """One version, without its evaluations."""
    return [brief(row.entry) for row in registry.versions.lineage(revision, depth=0)[:1]]


def targets_of(registry: Registry) -> frozenset[str]:
    """Names of the tasks that rounds are about; trainings on others are auxiliary."""
    return frozenset(task.name for task in registry.definitions.tasks() if task.kind == "target")


def recent_moves(registry: Registry, each: int = MOST_MOVES) -> list[AliasMove]:
    """The last moves of the aliases, the latest first."""
    names = registry.releases.aliases(limit=MOST_ALIASES)
    moves = [move for name in names for move in registry.releases.alias_history(name, limit=each)]
    return sorted(moves, key=lambda move: -move.number)
