"""Scores on images of one's own: margins, and whether one version is ahead of another.

Two versions are compared on the same images. Those that both recognise, or both miss, say nothing about which is
better; the others decide (McNemar), so the interval is narrower than two separate margins would suggest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ratatouille.analysis.report import Score, measured
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import ahead_on_same, mean_ahead
from ratatouille.recipes.outcome import add
from ratatouille.record import Record
from ratatouille.wording import number_of


class OwnScore(Record):
    """The score of one version on the images of a domain, or on all of them together (`domain` is None)."""

    domain: str | None
    images: int
    correct: int
    accuracy: Score
    balanced_accuracy: Score

    def metric(self, name: str) -> Score:
        """The score by the name of its metric."""
        return self.balanced_accuracy if name == "balanced_accuracy" else self.accuracy


class OwnDifference(Record):
    """The lead of one version over another on the same images, with its 95 % interval; shares of 1."""

    value: float
    low: float
    high: float
    images: int

    @property
    def sure(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


def own_scores(domains: Mapping[str, Evaluation], names: Mapping[str, str]) -> tuple[OwnScore, ...]:
    """All images together, whatever their domain, then each domain where there are several.

    Args:
        domains: the counts of each domain.
        names: what the folder calls the domains.
    """
    total = add([one.model_copy(update={"cell": Cell(domain="all", split="all")}) for one in domains.values()])
    single = [_score(names[domain], counts) for domain, counts in domains.items()] if len(domains) > 1 else []
    return (_score(None, total), *single)


def difference(
    first: Mapping[str, tuple[int, bool]], second: Mapping[str, tuple[int, bool]], metric: str
) -> OwnDifference:
    """How far the first is ahead of the second.

    The interval is that of images which both have seen (`statistics.ahead_on_same`). Balanced accuracy is the mean of
    this over the classes that occur, and their variances add.

    Args:
        first: for each image its class, and whether it was recognised.
        second: the same images.
        metric: `accuracy` or `balanced_accuracy`.
    """
    if first.keys() != second.keys():
        raise ValueError("only counts of the same images can be compared")
    strata: dict[str, list[int]] = defaultdict(list)
    for image, (label, right) in first.items():
        strata[str(label) if metric == "balanced_accuracy" else ""].append(right - second[image][1])
    ahead = mean_ahead([ahead_on_same(signs.count(-1), signs.count(1), len(signs)) for signs in strata.values()])
    low, high = ahead.interval
    return OwnDifference(value=ahead.value, low=low, high=high, images=len(first))


def lead(names: Sequence[str], ahead: Sequence[OwnDifference], metric: str) -> str:
    """One sentence: whether the best of several versions is more than luck.

    Args:
        names: the versions, the best first.
        ahead: how far the best is ahead of each of the others, in the same order.
        metric: the metric.
    """
    if not ahead:
        return f"{names[0]} is the only version, so there is nothing to compare."
    gap, images = ahead[0], ahead[0].images
    close = [name for name, one in zip(names[1:], ahead, strict=True) if not one.sure]
    interval = f"95 % interval {_points(gap.low)} to {_points(gap.high)}"
    if gap.value == 0:
        begin = (
            f"{names[0]} and {names[1]} are level in {metric.replace('_', ' ')} on these {number_of(images, 'image')}"
        )
    else:
        begin = (
            f"{names[0]} is ahead of {names[1]} by {100 * gap.value:.1f} points of {metric.replace('_', ' ')} on the "
            f"same {number_of(images, 'image')} ({interval})"
        )
    if not close:
        return f"{begin}, which is more than noise."
    others = (
        f"{len(close)} of the {len(ahead)} others" if len(close) < len(ahead) else f"any of the {len(ahead)} others"
    )
    others = "the other one" if len(ahead) == 1 else others
    return f"{begin}; the best cannot be told from {others} by so many images."


def _score(domain: str | None, counts: Evaluation) -> OwnScore:
    accuracy, balanced = measured([counts], "accuracy"), measured([counts], "balanced_accuracy")
    assert accuracy is not None
    assert balanced is not None
    return OwnScore(
        domain=domain, images=counts.count, correct=counts.correct, accuracy=accuracy, balanced_accuracy=balanced
    )


def _points(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")
