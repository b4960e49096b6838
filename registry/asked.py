"""The work that the rounds of a registry ask of nodes, for the trial of a device."""

from __future__ import annotations

from ratatouille.errors import Refusal
from registry.services.registry import Registry

MOST_ROUNDS = 50
"""Rounds that are looked through."""


def asked_of_nodes(registry: Registry) -> tuple[list[str], str | None]:
    """The latest rounds that did not fail, as JSON, and the digest of the architecture of the released weights.

    `ratatouille.training.asked_work.work_of` makes work of both. The second is None where nothing is released.
    """
    rounds = [one.spec for one in registry.rounds.rounds(limit=MOST_ROUNDS) if one.state not in ("failed", "cancelled")]
    try:
        return rounds, registry.versions.show("latest").entry.version.architecture
    except Refusal:
        return rounds, None
