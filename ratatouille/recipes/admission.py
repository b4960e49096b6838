"""Admission: whether a run may enter averages, as pure functions of its weights' geometry and of counts by others.

The cheap checks come first: how far each part moved, against what the protocol can do and against the other runs, and
whether the weights are a copy. The counts come last: a run may not be worse than its start, and the networks on the
lines to its start and to a reference may not fall below the mix of the ends. Counts never reject, since honest pairs
with real barriers exist (docs/method.md §4.1). `gate` asks the questions; this module reads the answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from ratatouille.exchange.inspection import Gram, Inspected
from ratatouille.exchange.joint import JointCounts, combined, joint_counts
from ratatouille.exchange.receipt import Comparison, Evaluation

SLACK = 2.0
"""Absolute limit of an update: its root mean square is at most so many times learning rate × steps. Adam moves a
coordinate by about the learning rate at a step, so honest updates stay far below."""
BAND = 4.0
"""Limit among peers: an update's norm over its learning rate is at most so many times the peers' median."""
PEERS = 5
"""Runs that make a band; with fewer there is the absolute limit only."""
COPY = 0.05
"""Two runs are copies if they are nearer to each other than this share of the smaller one's update."""
REFERENCED = 3
"""Runs that make a reference."""
START_LINE = (0.5,)
"""Shares of the start in the networks on the line from a run to its start."""
REFERENCE_LINE = (0.5,)
"""Shares of the reference in the networks on the line from a run to the reference."""
TOLERANCE = 0.05
"""Share of the images that a shortfall may have beyond its bound."""
SURE = 2.326
"""Standard deviations of a one-sided bound of 99 %."""
CHANCE = 3.291
"""Standard deviations that a claim may differ from a count: a two-sided test at 0.1 %."""
MOST_INSPECTED = 200
"""Runs that one inspection looks at; more are inspected in several lots."""

State = Literal["admitted", "quarantined", "rejected"]
NOT_COUNTED = "it passed the checks of its weights, and no node counted it"


@dataclass(frozen=True)
class Verdict:
    """Whether a version may enter averages, and why."""

    state: State
    reason: str = "it passed every check"
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
    by: Literal["gate", "maintainer"] = "gate"

    @property
    def admitted(self) -> bool:
        """Whether it may."""
        return self.state == "admitted"


@dataclass(frozen=True)
class Moved:
    """A run as the cheap checks see it."""

    version: str
    start: str
    """The version whose featurizer it started from."""
    head_start: str
    """The version whose head it started from."""
    learning_rate: float
    steps: int
    training: str
    """What its batches and values follow from: runs that keep something else of the same training are no copies."""
    created: float
    kept_start: bool = False
    """Whether its receipt says that step 0 was kept."""


@dataclass(frozen=True)
class Known:
    """What the registry knows for admission, beside the facts."""

    inspected: Mapping[str, Inspected] = field(default_factory=dict)
    """Answers to inspections, by work id."""
    decisions: Mapping[str, Verdict] = field(default_factory=dict)
    """Maintainers' decisions, by version: they stand whatever the gate finds."""
    imagined: bool = False
    """Of a forecast: what is not inspected yet is imagined to pass."""


NOTHING_KNOWN = Known()
"""Of a round without a gate, and before anything is inspected."""


def cheap_verdicts(inspected: Inspected, runs: Sequence[Moved]) -> dict[str, Verdict]:
    """The verdicts on runs that do not pass the checks of their weights; runs that pass have none here."""
    parts: dict[str, Gram] = {"featurizer": inspected.featurizer}
    if inspected.head is not None:
        parts["head"] = inspected.head
    found: dict[str, Verdict] = {}
    for part, gram in parts.items():
        found |= {version: verdict for version, verdict in _too_far(part, gram, runs).items() if version not in found}
    found |= _unmoved(parts, [run for run in runs if run.version not in found])
    return found | _copies(parts, [run for run in runs if run.version not in found])


def _update(part: str, gram: Gram, run: Moved) -> float | None:
    """The norm of a run's update of one part; None where its start has no such part."""
    start = run.start if part == "featurizer" else run.head_start
    return gram.distance(run.version, start) if {run.version, start} <= set(gram.ids) else None


def _too_far(part: str, gram: Gram, runs: Sequence[Moved]) -> dict[str, Verdict]:
    found = {}
    known = {run.version: moved for run in runs if (moved := _update(part, gram, run)) is not None}
    rates = {run.version: known[run.version] / run.learning_rate for run in runs if known.get(run.version)}
    for run in runs:
        if run.version not in known:
            continue
        size = known[run.version] / math.sqrt(gram.elements)
        limit = SLACK * run.learning_rate * run.steps
        evidence: dict[str, float | int | str] = {"part": part, "rms": _short(size), "limit": _short(limit)}
        if not size <= limit:
            reason = (
                f"the update of its {part} is {size:.2g} for each weight (root mean square), and {run.steps} steps at "
                f"learning rate {run.learning_rate:g} make {limit:.2g} at most"
            )
            found[run.version] = Verdict("rejected", reason, evidence)
            continue
        peers = [rate for version, rate in rates.items() if version != run.version]
        if len(peers) >= PEERS and run.version in rates and not rates[run.version] <= BAND * median(peers):
            times = rates[run.version] / median(peers)
            reason = (
                f"the update of its {part} is {times:.1f} times as large as the median of {len(peers)} other runs, "
                f"each divided by its learning rate; {BAND:g} times is the most"
            )
            found[run.version] = Verdict("rejected", reason, evidence | {"times": _short(times), "most": BAND})
    return found


def _unmoved(parts: Mapping[str, Gram], runs: Sequence[Moved]) -> dict[str, Verdict]:
    reason = "its weights are those that it started from, and its receipt says that it trained"
    return {
        run.version: Verdict("quarantined", reason, {"update": 0})
        for run in runs
        if not run.kept_start and not _whole(parts, run)
    }


def _whole(parts: Mapping[str, Gram], run: Moved) -> float:
    """The norm of a run's update of all parts that can be compared."""
    return math.hypot(*(_update(part, gram, run) or 0.0 for part, gram in parts.items()))


def _copies(parts: Mapping[str, Gram], runs: Sequence[Moved]) -> dict[str, Verdict]:
    """The later one of each two runs that are nearly the same."""
    found: dict[str, Verdict] = {}
    ordered = sorted((run for run in runs if not run.kept_start), key=lambda run: (run.created, run.version))
    sizes = {run.version: _whole(parts, run) for run in ordered}
    for place, run in enumerate(ordered):
        for other in ordered[:place]:
            if other.training == run.training or other.version in found:
                continue
            apart = math.hypot(
                *(
                    g.distance(run.version, other.version)
                    for g in parts.values()
                    if {run.version, other.version} <= set(g.ids)
                )
            )
            smaller = min(sizes[run.version], sizes[other.version])
            if apart < COPY * smaller:
                reason = (
                    f"it is a copy of version {other.version[:12]}…, which came first: they are "
                    f"{100 * apart / smaller:.1f} % of an update apart, and {100 * COPY:g} % is the least"
                )
                found[run.version] = Verdict("quarantined", reason, {"copy_of": other.version, "apart": _short(apart)})
                break
    return found


# -- counts


@dataclass(frozen=True)
class Line:
    """Networks of a comparison on the line from the run, which is network 0, to another end."""

    to: str
    end: int
    """Place of the other end."""
    inner: tuple[tuple[float, int], ...]
    """Shares of the other end, and places of these networks."""


def lines(referenced: bool) -> list[Line]:
    """The lines of a comparison about a run: networks are the run, its start, the line between them, and then, where
    there is one, the reference and the line to it.
    """
    found = [Line("start", 1, tuple((share, 2 + place) for place, share in enumerate(START_LINE)))]
    if referenced:
        end = 2 + len(START_LINE)
        inner = tuple((share, end + 1 + place) for place, share in enumerate(REFERENCE_LINE))
        found.append(Line("reference", end, inner))
    return found


def counted_verdict(parts: Sequence[Comparison], referenced: bool) -> Verdict:
    """The verdict on a run from the comparisons about it, which are summed over holdings."""
    domains = joint_counts([part for part in parts if part.networks])
    if not domains:
        return Verdict("admitted", NOT_COUNTED, {"images": 0})
    size = len(domains[0].both)
    images = sum(one.images for one in domains)
    evidence: dict[str, float | int | str] = {"images": images, "accuracy": _percent(domains, {0: 1}, size)}
    checks = []
    for line in lines(referenced):
        evidence[f"{line.to}_accuracy"] = _percent(domains, {line.end: 1}, size)
        if line.to == "start":
            checks.append(("worse", line, 0.0, {line.end: 1.0, 0: -1.0}))
        checks += [("barrier", line, at, {0: 1 - at, line.end: at, place: -1.0}) for at, place in line.inner]
    for kind, line, at, terms in checks:
        ahead = combined(domains, _coefficients(terms, size))
        bound = ahead.centre - SURE * math.sqrt(ahead.variance)
        evidence[f"{line.to}_{kind}" if kind == "barrier" else kind] = round(100 * ahead.value, 2)
        if bound > TOLERANCE:
            return Verdict("quarantined", _short_of(kind, line, at, ahead.value, bound, images), evidence)
    return Verdict("admitted", evidence=evidence)


def _short_of(kind: str, line: Line, at: float, short: float, bound: float, images: int) -> str:
    sure = f"on {images} images ({100 * bound:.1f} at least, with 99 % confidence; {100 * TOLERANCE:g} is the most)"
    if kind == "worse":
        return f"it recognises {100 * short:.1f} points less than the start that it was trained from, {sure}"
    network = f"the network {100 * at:g} % of the way to {'its start' if line.to == 'start' else 'the reference'}"
    return f"{network} recognises {100 * short:.1f} points less than the mix of the two ends, {sure}"


def _coefficients(terms: Mapping[int, float], size: int) -> list[float]:
    return [terms.get(place, 0.0) for place in range(size)]


def _percent(domains: Sequence[JointCounts], terms: Mapping[int, float], size: int) -> float:
    return round(100 * combined(domains, _coefficients(terms, size)).value, 2)


def _short(value: float) -> float:
    """Three digits, for people."""
    return float(f"{min(value, 1e300):.3g}")


@dataclass(frozen=True)
class Claim:
    """What a receipt says of its own run, beside what was counted on the same images."""

    claimed: tuple[int, int]
    """Images that are recognised, and images."""
    counted: tuple[int, int]

    @property
    def differs(self) -> bool:
        """Whether they differ by more than chance: two proportions, at 0.1 %."""
        (a, n), (b, m) = self.claimed, self.counted
        if not n or not m:
            return False
        both = (a + b) / (n + m)
        return abs(a / n - b / m) > CHANCE * math.sqrt(both * (1 - both) * (1 / n + 1 / m))

    @property
    def evidence(self) -> dict[str, float | int | str]:
        """Both in percent."""
        (a, n), (b, m) = self.claimed, self.counted
        return {"claimed": round(100 * a / n, 1), "counted": round(100 * b / m, 1)}


def claim_of(claimed: Sequence[Evaluation], counted: Sequence[Evaluation]) -> Claim:
    """The claim about the cells that were counted too."""
    cells = {one.cell for one in counted}
    same = [one for one in claimed if one.cell in cells]
    both = [one for one in counted if one.cell in {claim.cell for claim in same}]
    return Claim(
        (sum(one.correct for one in same), sum(one.count for one in same)),
        (sum(one.correct for one in both), sum(one.count for one in both)),
    )


def median_share(count: int) -> float:
    """The share of a trimmed mean that leaves the middle one of so many values, or the middle two."""
    return 0.5 if count % 2 else round(0.5 - 0.5 / count, 6)
