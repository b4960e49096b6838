"""The credit of an average in words and small drawings: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterable

from ratatouille.record import Record
from ratatouille.wording import number_of
from registry.presentation.history import duration
from registry.records import Credit, LeaveOneOut, MeanGain

WIDTH = 15
"""Characters of a drawing in the terminal."""
ORDER = (
    "Contributors with the same places cannot be told apart: between two groups, each one above is ahead of each one "
    "below, with a chance of 5 % at most that any of this is noise (Holm's correction)."
)
SELF_REPORTED = "* counted by their own nodes only, since nobody else has such images"


class CreditLine(Record):
    """A row in words."""

    places: str
    who: str
    share: float
    value: str
    interval: str
    own: str
    drawn: str
    effect: str
    """Or why there is no value."""


def credit_lines(rows: Iterable[LeaveOneOut]) -> list[CreditLine]:
    """Rows in words; all are drawn on one scale."""
    rows = tuple(rows)
    scale = scale_of(rows)
    return [
        CreditLine(
            places=_places(row),
            who=", ".join(row.names),
            share=row.share,
            value=points(row.gain),
            interval="–" if row.gain is None else f"{_signed(row.gain.low)} … {_signed(row.gain.high)}",
            own=points(row.own),
            drawn=drawn(row.gain, scale),
            effect=row.effect or row.reason,
        )
        for row in rows
    ]


def scale_of(rows: Iterable[LeaveOneOut]) -> float:
    """The farthest end of an interval from zero; 1 where there is none."""
    ends = [max(abs(row.gain.low), abs(row.gain.high)) for row in rows if row.gain is not None]
    return max(ends, default=1.0) or 1.0


def points(gain: MeanGain | None) -> str:
    """A difference in points, with a star where only the own nodes counted."""
    return "–" if gain is None else f"{_signed(gain.value)}{' *' if gain.self_reported else ''}"


def drawn(gain: MeanGain | None, scale: float, width: int = WIDTH) -> str:
    """The interval as a line, the value as a dot and zero as a bar, from −scale to +scale."""
    if gain is None:
        return ""
    middle = width // 2

    def at(value: float) -> int:
        return round(middle + middle * max(-1.0, min(1.0, value / scale)))

    signs = ["─" if at(gain.low) <= place <= at(gain.high) else " " for place in range(width)]
    signs[middle] = "│" if signs[middle] == " " else "┼"
    signs[at(gain.value)] = "●"
    return "".join(signs)


def sentences(found: Credit, rows: Iterable[LeaveOneOut]) -> list[str]:
    """What the values are, and what is missing."""
    kept = [row for row in rows if row.gain is not None]
    said = []
    if kept and found.basis is not None:
        where = {
            "held_out": "domains that no training of its history knew",
            "trained": "images of the domains that were trained on, since no domain is held out",
        }[found.basis]
        whole = "" if found.accuracy is None else f" The whole has {100 * found.accuracy:.1f} %."
        said.append(
            "The value is the accuracy of the whole less that of the average of the others, in points with a 95 % "
            f"interval over images, on {where}.{whole}"
        )
    if any(row.first_place is not None for row in kept):
        said.append(ORDER)
    if any(gain is not None and gain.self_reported for row in kept for gain in (row.gain, row.own)):
        said.append(SELF_REPORTED)
    said.append(_state(found))
    return said


def _state(found: Credit) -> str:
    if not found.questions:
        return "nodes were not asked to count it; a maintainer asks with `ratatouille credit REV --ask`"
    counted = f"{number_of(found.networks, 'network')} counted in {duration(found.seconds)}"
    return f"{found.answered} of {number_of(found.questions, 'comparison')} answered; {counted}"


def _places(row: LeaveOneOut) -> str:
    if row.first_place is None or row.last_place is None:
        return ""
    alone = row.first_place == row.last_place
    return str(row.first_place) if alone else f"{row.first_place}–{row.last_place}"


def _signed(share: float) -> str:
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")
