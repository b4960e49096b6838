"""Findings of the attack benchmark as records, and the interval of a share."""

from __future__ import annotations

import math

from ratatouille.record import Record


class ScenarioResult(Record):
    """What became of a scenario."""

    attack: str | None
    members: int
    attackers: int
    draw: int
    stopped: int
    """Attackers that were not admitted."""
    checks: dict[str, int]
    """By which check how many attackers were stopped."""
    refused: int
    """Honest members that were not admitted."""
    refused_by: dict[str, int]
    reason: str = ""
    """The first sentence about an attacker."""
    held_out: dict[str, float]
    """Accuracy on held-out images: of the honest members' mean, and of each way to combine all of them."""

    @property
    def honest(self) -> int:
        """Honest members."""
        return self.members - self.attackers


class Refusals(Record):
    """Honest contributions that the checks refused, in the rounds as they were run."""

    setting: str
    contributions: int
    refused: int
    reasons: tuple[str, ...] = ()


class BackdoorRow(Record):
    """An average with one backdoored member, or none."""

    members: int
    backdoors: int
    success: float
    """Share of the held-out images of other classes that the patch turns into the class that it means."""
    held_out: float


class AdmissionFigures(Record):
    """Everything that the report tells."""

    size: str
    contributions: int
    images: dict[str, int]
    """Images that verdicts are counted on, and images of held-out domains."""
    start: float
    """Held-out accuracy of the foundation with the shared head."""
    results: tuple[ScenarioResult, ...]
    honest: tuple[Refusals, ...]
    backdoor: tuple[BackdoorRow, ...]
    backdoor_admitted: bool


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not total:
        return 0.0, 1.0
    share, squared = hits / total, z * z
    middle = (share + squared / (2 * total)) / (1 + squared / total)
    half = z / (1 + squared / total) * math.sqrt(share * (1 - share) / total + squared / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)
