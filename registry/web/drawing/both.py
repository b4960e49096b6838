"""A graph drawn twice, for wide and for narrow screens; the style sheet shows one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from registry.web.brief import Brief
from registry.web.drawing.graph import gathered
from registry.web.drawing.layers import Drawing, across, down

FEW_NARROW = 2
"""On a phone, so many of a kind are shown one by one; more are a group, which opens into dots."""


def both_ways(
    versions: Sequence[Brief], outside: Sequence[Brief], targets: Collection[str], opened: Collection[str]
) -> tuple[Drawing, Drawing]:
    """The wide and the narrow picture; arguments as `gathered`."""
    narrow = gathered(versions, outside, targets, opened, few=FEW_NARROW, listed=0)
    return across(gathered(versions, outside, targets, opened)), down(narrow)
