"""Linear mode connectivity: whether networks stay as accurate on the line between two as the line between their scores.

docs/method.md §4.1. Accuracy is the mean over domains of the share of correctly classified images.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from ratatouille.analysis.intervals import Floats, Interval, Joint, accuracies, covariance, images, joints
from ratatouille.analysis.table import Cell, Column, Table, points
from ratatouille.exchange.confusion import by_class
from ratatouille.recipes.counting import SideCounts
from ratatouille.recipes.outcome import by_domain
from ratatouille.recipes.study_connectivity import POINTS, Curve, shares
from ratatouille.record import Record
from ratatouille.wording import number_of

KINDS = ("observation 1", "observation 2", "hypothesis 1", "hypothesis 2", "three-way")
_DRAWS = 20_000

ORDER, ORDERS = 3, {"terra-incognita": 4, "camelyon17-wilds": 5}
"""Of the polynomial that a figure draws through a curve's points, by target (docs/method.md §4.1)."""

Verdict = Literal["holds", "unclear", "barrier"]


class CurveSide(Record):
    """A curve on one side: on the training domains' validation images, or on the held-out domains."""

    images: int
    accuracy: tuple[float, ...]
    """At λ = 0, 0.1 … 1."""
    line: tuple[float, ...]
    """The mix of the ends' accuracies with the same shares as the mix of their weights."""
    barrier: Interval
    """The largest shortfall below the line between the ends; negative if the curve is above it everywhere."""
    at: float
    """λ of the largest shortfall."""
    verdict: Verdict
    """`holds`: no point is below the line; `barrier`: one is, by more than noise; `unclear`: one is, within noise."""
    meets_ends: bool | None
    """Whether the curve's ends count, cell by cell, as the versions themselves did; None where no end is a version."""


class ConnectivityLine(Record):
    """One curve."""

    kind: str
    ends: tuple[str, ...]
    validation: CurveSide | None
    held_out: CurveSide | None
    """None where no image was counted."""


class Connectivity(Record):
    """The result of the study of connectivity."""

    sentence: str
    lines: tuple[ConnectivityLine, ...]
    order: int = ORDER
    """Of the polynomials of the figure; no verdict depends on them."""


def connectivity(curves: Sequence[Curve], target: str = "") -> Connectivity:
    """Measure all curves of a round on this target."""
    lines = tuple(
        ConnectivityLine(kind=curve.kind, ends=curve.ends, validation=side(curve, True), held_out=side(curve, False))
        for curve in curves
    )
    return Connectivity(sentence=_sentence(lines), lines=lines, order=ORDERS.get(target, ORDER))


def side(curve: Curve, validation: bool) -> CurveSide | None:
    """A curve on validation or on held-out images; None without images."""
    counted = curve.validation if validation else curve.held_out
    domains = joints(counted)
    if not domains:
        return None
    accuracy = accuracies(domains)
    above = _line(curve)
    barrier, at = largest_shortfall(domains, above - np.eye(len(POINTS), len(accuracy)))
    return CurveSide(
        images=images(domains),
        accuracy=tuple(map(float, accuracy[: len(POINTS)])),
        line=tuple(map(float, above @ accuracy)),
        barrier=barrier,
        at=at,
        verdict="holds" if barrier.value <= 0 else "barrier" if barrier.low > 0 else "unclear",
        meets_ends=_meets_ends(curve, counted, validation),
    )


def _line(curve: Curve) -> Floats:
    """Coefficients of the networks' accuracies in the reference line, [points, networks].

    Between two ends it is (1 − λ) acc(a) + λ acc(b). With three it is λ acc(a) + (1 − λ)/2 (acc(b) + acc(c)): at λ = 0
    that is the mean of what b and c score alone, and not the score of their average, which is what the curve has there.
    """
    networks = len(POINTS) + (0 if len(curve.ends) == 2 else len(curve.ends) - 1)
    found = np.zeros((len(POINTS), networks))
    for row, at in enumerate(POINTS):
        for place, share in zip(curve.places, shares(at, len(curve.ends)), strict=True):
            found[row, place] += share
    return found


def largest_shortfall(domains: Sequence[Joint], below: Floats) -> tuple[Interval, float]:
    """The barrier, with its 95 % interval, and where it is.

    The shortfall at λ is D(λ) = Σ_i c_i(λ) · accuracy_i, with the line's coefficients less 1 for the network at λ. It
    is linear in the images' correctness, so D = (D(λ))_λ has the covariance C Σ Cᵀ, where Σ is the covariance of the
    accuracies (`joint.covariance`, from the counts of pairs).

    The barrier is the largest of several D(λ), so an interval for one λ alone would be too narrow. Here D(λ) ± q σ(λ)
    holds for all λ at once in 95 % of cases, with q from 20 000 draws (seeded) of a normal distribution with that
    covariance; so the barrier is between the largest D − qσ and the largest D + qσ. Ends that are on the line by
    definition are left out; of three networks, λ = 0 is a mix and stays in.

    Args:
        domains: joint counts.
        below: c, [points, networks].
    """
    inner = [row for row in range(len(below)) if np.abs(below[row]).max() > 1e-9]
    if not inner:
        return Interval(value=0.0, low=0.0, high=0.0), POINTS[0]
    coefficients = below[inner]
    exact = _exactly(coefficients, domains)
    short = np.array(exact, dtype=np.float64)
    spread = coefficients @ covariance(domains) @ coefficients.T
    deviation = np.sqrt(np.clip(np.diagonal(spread), 0.0, None))
    margin = _together(spread, deviation) * deviation
    worst = exact.index(max(exact))  # of equals the first
    found = Interval(value=float(exact[worst]), low=_cut((short - margin).max()), high=_cut((short + margin).max()))
    return found, POINTS[inner[worst]]


def _exactly(coefficients: Floats, domains: Sequence[Joint]) -> list[Fraction]:
    """Σ_i c_i · accuracy_i for each row of coefficients, which are tenths and halves of tenths, from the counts."""
    networks = range(coefficients.shape[1])
    accuracy = [
        sum((Fraction(int(one.both[i, i]), one.images) for one in domains), Fraction(0)) / len(domains)
        for i in networks
    ]
    return [
        sum((Fraction(float(row[i])).limit_denominator(1000) * accuracy[i] for i in networks if row[i]), Fraction(0))
        for row in coefficients
    ]


def _cut(value: float) -> float:
    """Without the noise of float sums, so that nothing is a barrier of 1e-17."""
    return round(float(value), 12) + 0.0


def _together(spread: Floats, deviation: Floats) -> float:
    """How many standard deviations hold all points at once in 95 % of draws; between 1.96 and Bonferroni's."""
    moving = deviation > 1e-12
    if not moving.any():
        return 0.0
    scale = np.where(moving, deviation, 1.0)
    values, vectors = np.linalg.eigh(spread / np.outer(scale, scale))
    drawn = np.random.RandomState(0).standard_normal((_DRAWS, len(deviation)))
    normal = drawn @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    return float(np.quantile(np.abs(normal[:, moving]).max(axis=1), 0.95))


def _meets_ends(curve: Curve, found: SideCounts, validation: bool) -> bool | None:
    """Whether each end's counts in the comparison are, by domain and class, those that its version has."""
    checked = []
    for place, own in zip(curve.places, curve.own, strict=False):
        known = None if own is None else own.validation if validation else own.held_out
        if known:
            here = [evaluation for part in found.parts for evaluation in part.networks[place]]
            ours, theirs = (
                {one.cell.domain: by_class(one.confusion) for one in by_domain(counts)} for counts in (here, known)
            )
            checked.append(ours == theirs)
    return all(checked) if checked else None


_VALUES = (
    Column(name="kind"),
    Column(name="ends"),
    Column(name="images of"),
    Column(name="images", unit="number"),
    Column(name="first end", unit="percent"),
    Column(name="middle", unit="percent"),
    Column(name="last end", unit="percent"),
    Column(name="barrier", unit="points"),
    Column(name="from", unit="points"),
    Column(name="to", unit="points"),
    Column(name="at λ", unit="number"),
    Column(name="verdict"),
    Column(name="meets its ends", shown=False),
    *(Column(name=f"accuracy at {at:g}", unit="percent", shown=False) for at in POINTS),
)


def table(found: Connectivity) -> Table:
    """A row for each curve and side."""
    rows: list[tuple[Cell, ...]] = []
    for line in found.lines:
        for name, one in (("held out", line.held_out), ("validation", line.validation)):
            if one is not None:
                middle, barrier = one.accuracy[len(POINTS) // 2], one.barrier
                ends = (one.accuracy[0], middle, one.accuracy[-1])
                verdict = (barrier.value, barrier.low, barrier.high, one.at, one.verdict, one.meets_ends)
                rows.append((line.kind, " to ".join(line.ends), name, one.images, *ends, *verdict, *one.accuracy))
    return Table(columns=_VALUES, rows=tuple(rows))


def _sentence(lines: Sequence[ConnectivityLine]) -> str:
    """What the held-out curves say, kind by kind; without held-out images what the validation curves say."""
    if not lines:
        return "There are no two networks to connect: the round has one run and no auxiliary tasks."
    sides = [(line, line.held_out) for line in lines]
    where = "On the held-out images"
    if all(one is None for _, one in sides):
        sides, where = [(line, line.validation) for line in lines], "On validation images, since nothing is held out"
    said = []
    for kind in KINDS:
        found = [(line, one) for line, one in sides if line.kind == kind and one is not None]
        if found:
            said.append(f"{kind}: {_of_kind(found)}")
    if not said:
        return "No image was counted, so the curves say nothing."
    text = f"{where}, {'; '.join(said)}."
    if any(one.meets_ends is False for line in lines for one in (line.held_out, line.validation) if one is not None):
        text += (
            " Some ends do not count as the versions themselves did, so another device or other packages counted them; "
            "rerun with --fresh on equal machines before you trust small barriers."
        )
    return text


def _of_kind(found: Sequence[tuple[ConnectivityLine, CurveSide]]) -> str:
    holds, unclear, barred = (
        [one for one in found if one[1].verdict == name] for name in ("holds", "unclear", "barrier")
    )
    parts = []
    if holds:
        lie = "lies" if len(holds) == 1 else "lie"
        parts.append(f"{len(holds)} of {number_of(len(found), 'curve')} {lie} on or above the line between the ends")
    if unclear:
        lie = "is" if len(unclear) == 1 else "are"
        parts.append(f"{len(unclear)} of {len(found)} {lie} below it by no more than noise ({_largest(unclear)})")
    if barred:
        have = "has" if len(barred) == 1 else "have"
        parts.append(f"{len(barred)} of {len(found)} {have} a barrier beyond noise ({_largest(barred)})")
    return ", ".join(parts)


def _largest(found: Sequence[tuple[ConnectivityLine, CurveSide]]) -> str:
    line, one = max(found, key=lambda pair: pair[1].barrier.value)
    barrier = one.barrier
    size = f"{points(barrier.value)} points, 95 % {points(barrier.low)} to {points(barrier.high)}"
    return f"{'the largest ' if len(found) > 1 else ''}{size}, {' to '.join(line.ends)}"
