"""Numbers that peers compare before they work together."""

from ratatouille.errors import UPGRADE

PROTOCOL = 2
"""Major number of the registry's service and of the orders; peers with another number are refused."""

METHOD_REVISION = 2
"""Raised when the same assignment may train to other weights; part of every work id. Versions of earlier revisions
stay, verify, and serve as starts; their questions have other ids, so they answer none of this one.

- 1: scores were sums of floats, so the best step and the best run hung on their last bits where scores are equal.
- 2: scores are fractions of counts; of equal ones the earliest step and the lowest number are first.
"""

COMBINATION_REVISION = 1
"""Raised when the same parents would average to other bytes; part of the rule of every combined version."""

INSPECTION_REVISION = 1
"""Raised when the same weights would be inspected to other numbers; part of every inspection."""

NUMERICS = "float32-deterministic-1-thread"
"""Name of the numerics profile that `ratatouille.training.numerics` applies; part of every work id."""

BFLOAT16 = "bfloat16-autocast-deterministic-1-thread"
"""The same, but the passes of a training compute in bfloat16 where torch's autocast does; weights, optimiser, probes
and whatever is counted stay float32.
"""

PROFILES = {"float32": NUMERICS, "bfloat16": BFLOAT16}
"""What a protocol's `precision` means for trainings; everything else is `NUMERICS`."""


def disagreement(theirs: int, caller: str, here: str) -> str:
    """What to say to a caller with another protocol number: who is older, and how to upgrade."""
    older = caller if theirs < PROTOCOL else here
    return f"{caller} speaks protocol {theirs}, {here} {PROTOCOL}; upgrade {older}: {UPGRADE}"
