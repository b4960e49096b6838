"""The page of a version's credit: what each contributor and each contribution is worth in it, by leave-one-out."""

from __future__ import annotations

from registry.presentation.credit import credit_lines, scale_of, sentences
from registry.records import LeaveOneOut
from registry.services.registry import Registry
from registry.web.page import Page, Query, named_in_address


def page(registry: Registry, query: Query) -> Page:
    """What `ratatouille credit` shows.

    Raises:
        NotThere: for a revision that names no version, or one that is no average.
    """
    with named_in_address():
        found = registry.versions.credit(query.path["revision"])
    drawn = {
        "name": query.path["revision"],
        "contributors": _drawn(found.contributors),
        "contributions": _drawn(found.contributions),
        "sentences": sentences(found, found.contributors),
    }
    return Page("credit.html.jinja", found, drawn)


def _drawn(rows: tuple[LeaveOneOut, ...]) -> list[tuple[object, ...]]:
    """Each row with its words and the places of low end, value and high end, from 0 to 100."""
    scale = scale_of(rows)

    def at(value: float) -> float:
        return round(50 + 50 * value / scale, 1)

    ends = [None if row.gain is None else tuple(map(at, (row.gain.low, row.gain.value, row.gain.high))) for row in rows]
    return list(zip(rows, credit_lines(rows), ends, strict=True))
