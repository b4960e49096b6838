"""The sum of shares that several contributions have in an average, exact where each of them is known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from registry.records import Contribution


def total_share(found: Sequence[Contribution]) -> Fraction | float:
    """The sum, as a fraction where all shares can be read as fractions."""
    exact = [Fraction(one.exact) for one in found if one.exact is not None]
    return sum(exact, Fraction()) if len(exact) == len(found) else sum(one.share for one in found)
