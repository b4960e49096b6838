"""Sizes of the attack benchmark: which rounds, and which scenarios on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coordinator.benchmark.admission.attacks import ATTACKS
from coordinator.benchmark.admission.scenarios import Scenario


@dataclass(frozen=True)
class Size:
    """How much of the benchmark is run."""

    name: str
    trials: int
    runs: int
    """Runs of each recipe of a round."""
    members: tuple[int, ...]
    shares: tuple[float, ...]
    """Attackers among the members; the smallest is one attacker."""
    alone: int
    """Members of the scenarios in which every attack has one attacker."""
    inside: tuple[str, ...]
    """Attacks that are tried with every number of members and attackers."""
    draws: int
    backdoor: tuple[int, ...]
    """Members of the averages with one backdoor."""


INSIDE = ("flipped update", "noisy update", "ALIE", "inner product", "small inner product", "label flip", "backdoor")
"""Attacks that may pass the checks of weights, so that they are in the reference."""
MOST_TRAINED = 4
"""Attackers of a trained attack in one scenario: each of them is a training."""
PROTOCOL: dict[str, Any] = {"name": "emoji", "steps": 60, "warmup": 8, "batch": 8, "auxiliary_steps": 40}
"""The rounds that are attacked: those of the demo, with fewer steps."""
SIZES = {
    "quick": Size("quick", 1, 5, (5,), (0.2, 0.4), 5, ("ALIE", "small inner product"), 1, (2, 5)),
    "full": Size("full", 2, 8, (5, 10, 20), (0.01, 0.2, 0.4), 10, INSIDE, 1, (2, 3, 5, 10, 15, 20)),
}


def scenarios(size: Size, pool: int) -> list[Scenario]:
    """All scenarios of a size, for a pool of so many contributions."""
    found = [Scenario(name, min(size.alone, pool), 1) for name in ATTACKS]
    for draw in range(size.draws):
        for members in size.members:
            if members > pool:
                continue
            found.append(Scenario(None, members, 0, draw))
            numbers = sorted({max(1, round(share * members)) for share in size.shares})
            for name in size.inside:
                most = MOST_TRAINED if ATTACKS[name].trained else members
                found += [Scenario(name, members, number, draw) for number in numbers if number <= most]
    return list(dict.fromkeys(found))
