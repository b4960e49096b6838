"""The work that the latest rounds of a registry ask of nodes."""

from __future__ import annotations

from ratatouille.errors import Refusal
from registry.services.registry import Registry

_MOST_ROUNDS = 50
"""Rounds that are looked through."""


def latest_rounds(registry: Registry) -> list[str]:
    """The latest rounds that did not fail and were not cancelled, as JSON."""
    rounds = registry.rounds.rounds(limit=_MOST_ROUNDS)
    return [one.spec for one in rounds if one.state not in ("failed", "cancelled")]


def work_of_rounds(registry: Registry) -> tuple[list[str], str | None]:
    """The latest rounds, as JSON, and the digest of the architecture of the released weights.

    `ratatouille.training.asked_work.work_of` makes work of both. The second is None where nothing is released.
    """
    rounds = latest_rounds(registry)
    try:
        return rounds, registry.versions.show("latest").entry.version.architecture
    except Refusal:
        return rounds, None
