"""Rules for what a run keeps: rows of one table, each a state machine that watches the run (docs/method.md §3).

The loop calls `observe` before the first update and after every one, with the live weights. At the steps that are
evaluated it first asks for the weights to evaluate (`judged`), and passes their score and loss on the validation split;
both are None elsewhere. Scores are exact fractions of counts, so that equal ones are equal. Losses are means of
logarithms and floats by nature, so a choice by them (`Valley`) depends on their last bits. A row copies what it keeps,
and its state is saved with the run's checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import torch
from torch import Tensor

from ratatouille.exchange.assignment import KeepBest, KeepLast, KeepMean, KeepValley

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Kept:
    """The weights that a run returns, and the step after which it had them."""

    step: int
    weights: Weights


class Keep(Protocol):
    """The methods of every row."""

    def judged(self, step: int, weights: Weights) -> Weights:
        """The weights to evaluate after `step` updates, if this row judges others than the live ones."""

    def observe(self, step: int, weights: Weights, score: Fraction | None, loss: float | None) -> None:
        """Take in the weights after `step` updates; a row copies what it may return."""

    def result(self) -> Kept:
        """What to return, once the last step was observed."""

    def state(self) -> dict[str, Any]:
        """Plain values and tensors from which `restore` goes on."""

    def restore(self, state: dict[str, Any], weights: Weights) -> None:
        """Take over a saved state; the live weights are those of its step."""


class Best:
    """The first evaluated step with the highest validation score, step 0 included (docs/method.md §2)."""

    def __init__(self) -> None:
        self._score: Fraction | None = None
        self._kept: Kept | None = None

    def judged(self, step: int, weights: Weights) -> Weights:
        """The live weights."""
        return weights

    def observe(self, step: int, weights: Weights, score: Fraction | None, loss: float | None) -> None:
        """Copy the weights if the score is strictly higher than all before."""
        if score is not None and (self._score is None or score > self._score):
            self._score, self._kept = score, Kept(step, _copied(weights))

    def result(self) -> Kept:
        """The best step's weights."""
        assert self._kept is not None
        return self._kept

    def state(self) -> dict[str, Any]:
        """Score, step and weights so far."""
        kept = self.result()
        return {"score": str(self._score), "step": kept.step, "weights": dict(kept.weights)}

    def restore(self, state: dict[str, Any], weights: Weights) -> None:
        """Take over a saved state."""
        self._score, self._kept = Fraction(state["score"]), Kept(state["step"], state["weights"])


class Last:
    """The weights after the last step, as auxiliary runs keep them (docs/method.md §3.8)."""

    def __init__(self) -> None:
        self._kept: Kept | None = None

    def judged(self, step: int, weights: Weights) -> Weights:
        """The live weights."""
        return weights

    def observe(self, step: int, weights: Weights, score: Fraction | None, loss: float | None) -> None:
        """Remember the step; the live weights need no copy."""
        self._kept = Kept(step, weights)

    def result(self) -> Kept:
        """The last step's weights."""
        assert self._kept is not None
        return self._kept

    def state(self) -> dict[str, Any]:
        """The step: a checkpoint holds its weights anyway."""
        return {"step": self.result().step}

    def restore(self, state: dict[str, Any], weights: Weights) -> None:
        """Take over a saved state."""
        self._kept = Kept(state["step"], weights)


class _Sum:
    """A running sum of weights in float64, so that a mean is rounded once; buffers are those of the first addend."""

    def __init__(self) -> None:
        self.count = 0
        self.total: dict[str, Tensor] = {}

    def add(self, weights: Weights, count: int = 1) -> None:
        """Add weights that stand for `count` steps (their sum, if it is more than one)."""
        for name, tensor in weights.items():
            if name not in self.total:
                self.total[name] = tensor.detach().to(torch.float64 if tensor.is_floating_point() else tensor.dtype)
                self.total[name] = self.total[name].clone()
            elif tensor.is_floating_point():
                self.total[name] += tensor.detach()
        self.count += count

    def mean(self, like: Weights) -> dict[str, Tensor]:
        """The mean as float32; frozen statistics are exact, since they are sums of equal numbers."""
        return {
            name: (total / self.count).to(like[name].dtype) if total.is_floating_point() else total
            for name, total in self.total.items()
        }


class Mean:
    """The running mean of all steps from `start` on, itself evaluated and chosen by validation (docs/method.md §3.3).

    Before `start` the mean is the live weights. No decay anywhere.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._sum = _Sum()
        self._taken = -1
        """The last step that is in the sum: a step that was judged may be saved, and judged again."""
        self._best = Best()

    def judged(self, step: int, weights: Weights) -> Weights:
        """The mean with this step's weights in it."""
        self._take(step, weights)
        return self._sum.mean(weights) if self._sum.count else weights

    def observe(self, step: int, weights: Weights, score: Fraction | None, loss: float | None) -> None:
        """Add the step, unless `judged` has done so; keep the mean if it is better than all before."""
        if score is None:
            self._take(step, weights)
        else:
            self._best.observe(step, self._sum.mean(weights) if self._sum.count else weights, score, loss)

    def _take(self, step: int, weights: Weights) -> None:
        if step >= self._start and step != self._taken:
            self._sum.add(weights)
            self._taken = step

    def result(self) -> Kept:
        """The best mean."""
        return self._best.result()

    def state(self) -> dict[str, Any]:
        """Sum, count and the best mean so far."""
        return {"count": self._sum.count, "total": self._sum.total, "taken": self._taken, "best": self._best.state()}

    def restore(self, state: dict[str, Any], weights: Weights) -> None:
        """Take over a saved state."""
        self._sum.count, self._sum.total = state["count"], dict(state["total"])
        self._taken = state["taken"]
        self._best.restore(state["best"], weights)


class Valley:
    """The mean of all steps inside a valley of the validation loss (docs/method.md §3.3).

    Steps between two evaluations are a segment, which carries the loss at its end. The valley begins with the first
    segment whose loss is the lowest of `converge` in a row, and ends when the lowest loss of `tolerance` segments in a
    row is above (1 + ratio) times the mean loss of those first ones. Without a beginning, the last segment is kept.
    """

    def __init__(self, converge: int, tolerance: int, ratio: float) -> None:
        self._converge, self._tolerance, self._ratio = converge, tolerance, ratio
        self._segment = _Sum()
        self._recent: list[tuple[int, float, _Sum]] = []
        """The latest segments: the step at their end, their loss, their sum. At most max(converge, tolerance)."""
        self._valley: _Sum | None = None
        self._threshold = 0.0
        self._began = 0
        self._ended = 0
        """The last step in the valley."""
        self._over = False
        self._last_weights: Weights = {}

    def judged(self, step: int, weights: Weights) -> Weights:
        """The live weights: the valley is one of their loss."""
        return weights

    def observe(self, step: int, weights: Weights, score: Fraction | None, loss: float | None) -> None:
        """Add the step to its segment; at an evaluation, close the segment and move the valley's ends."""
        self._last_weights = weights
        if step:
            self._segment.add(weights)
        if loss is None or not self._segment.count:
            return
        segment, self._segment = self._segment, _Sum()
        if self._over:
            return
        longest = max(self._converge, self._tolerance)
        self._recent = [*self._recent, (step, loss, segment)][-longest:]
        if self._valley is None:
            self._begin()
        else:
            self._go_on()

    def _begin(self) -> None:
        first = self._recent[-self._converge :]
        losses = [loss for _, loss, _ in first]
        if len(first) < self._converge or min(losses) < losses[0]:
            return
        self._began, _, segment = first[0]
        self._valley = _Sum()
        self._add(self._began, segment)
        self._threshold = sum(losses) / len(losses) * (1 + self._ratio)
        for end, _, segment in first[1 : 1 + self._converge - self._tolerance]:
            self._add(end, segment)

    def _go_on(self) -> None:
        window = self._recent[-self._tolerance :]
        if window[0][0] <= self._ended or len(window) < self._tolerance:
            return
        if min(loss for _, loss, _ in window) > self._threshold:
            self._over = True
        else:
            self._add(window[0][0], window[0][2])

    def _add(self, end: int, segment: _Sum) -> None:
        assert self._valley is not None
        self._valley.add(segment.total, segment.count)
        self._ended = end

    def result(self) -> Kept:
        """The valley's mean; what is left behind its end is taken in while its loss is low enough."""
        if self._valley is None:
            end, _, segment = self._recent[-1]
            return Kept(end, segment.mean(self._last_weights))
        rest = [] if self._over else [one for one in self._recent[-self._tolerance :] if one[0] > self._ended]
        while rest and min(loss for _, loss, _ in rest) <= self._threshold:
            end, _, segment = rest.pop(0)
            self._add(end, segment)
        return Kept(self._ended, self._valley.mean(self._last_weights))

    def state(self) -> dict[str, Any]:
        """Segments, valley and threshold so far."""
        sums = [self._segment, *(segment for _, _, segment in self._recent), *([self._valley] if self._valley else [])]
        return {
            "sums": [(one.count, one.total) for one in sums],
            "recent": [(end, loss) for end, loss, _ in self._recent],
            "valley": (self._threshold, self._began, self._ended, self._over),
        }

    def restore(self, state: dict[str, Any], weights: Weights) -> None:
        """Take over a saved state."""
        sums = []
        for count, total in state["sums"]:
            sums.append(_Sum())
            sums[-1].count, sums[-1].total = count, dict(total)
        self._segment, *rest = sums
        ends = state["recent"]
        self._recent = [(end, loss, one) for (end, loss), one in zip(ends, rest, strict=False)]
        self._valley = rest[len(ends)] if len(rest) > len(ends) else None
        self._threshold, self._began, self._ended, self._over = state["valley"]
        self._last_weights = weights


def keep(asked: KeepBest | KeepLast | KeepMean | KeepValley) -> Keep:
    """A fresh row of the table, for one run."""
    match asked:
        case KeepBest():
            return Best()
        case KeepLast():
            return Last()
        case KeepMean():
            return Mean(asked.start)
        case KeepValley():
            return Valley(asked.converge, asked.tolerance, asked.ratio)


def _copied(weights: Weights) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
