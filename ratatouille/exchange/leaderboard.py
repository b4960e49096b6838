"""Leaderboards: what noise allows to say about the order of measured differences.

Each two rows are compared, and Holm's correction holds the chance that any of these comparisons is wrong at 5 %. A line
between two groups is drawn only where everybody above it is ahead of everybody below it. Pure functions of counts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from fractions import Fraction

from ratatouille.exchange.statistics import Ahead

LEVEL = 0.05
"""The chance that a statement about noise is wrong, over all statements together."""


def chance(ahead: Ahead) -> float:
    """How often noise alone would show so large a difference, in either direction (normal, as the interval is)."""
    if not ahead.variance:
        return 0.0 if ahead.centre else 1.0
    return math.erfc(abs(ahead.centre) / math.sqrt(2 * ahead.variance))


def holm(chances: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which of several differences stand, so that with this chance at most any is noise. Source: Holm 1979.

    The k-th smallest chance of n is compared with level / (n − k + 1); the first that is larger ends it.
    """
    stands = [False] * len(chances)
    for done, place in enumerate(sorted(range(len(chances)), key=lambda place: chances[place])):
        if chances[place] > level / (len(chances) - done):
            break
        stands[place] = True
    return stands


def places(values: Sequence[Fraction], ahead: Collection[tuple[int, int]]) -> list[tuple[int, int]]:
    """The first and the last place that each row may have; rows with the same two cannot be put in an order.

    Args:
        values: of the rows.
        ahead: pairs of rows, the first of which is ahead of the second beyond noise.
    """
    order = sorted(range(len(values)), key=lambda row: -values[row])
    found = [(0, 0)] * len(values)
    begin = reach = 0
    for end, row in enumerate(order, start=1):
        doubtful = (end + far for far, other in enumerate(order[end:]) if (row, other) not in ahead)
        reach = max([reach, *doubtful])
        if reach < end:
            for member in order[begin:end]:
                found[member] = (begin + 1, end)
            begin = end
    return found
