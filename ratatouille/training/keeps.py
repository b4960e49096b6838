"""What a run keeps: rows of one table, each a small state machine that watches the run (METHOD.md 3).

The loop calls `observe` before the first update and after every one, with the live weights; score and loss are those
of the validation split where this step was evaluated, None elsewhere. A row copies what it wants to keep, and its state
is saved with the run's checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ratatouille.errors import Refusal

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Kept:
    """The weights that a run returns, and the step after which it had them."""

    step: int
    weights: Weights


class Keep(Protocol):
    """What every row does."""

    def observe(self, step: int, weights: Weights, score: float | None, loss: float | None) -> None:
        """See the weights after `step` updates."""

    def result(self) -> Kept:
        """What to return, once the last step was observed."""

    def state(self) -> dict[str, Any]:
        """Plain values and tensors from which `restore` goes on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""


class Best:
    """The first evaluated step with the highest validation score, step 0 included (METHOD.md 2)."""

    def __init__(self) -> None:
        self._score = float("-inf")
        self._kept: Kept | None = None

    def observe(self, step: int, weights: Weights, score: float | None, loss: float | None) -> None:
        """Copy the weights if the score is strictly higher than all before."""
        if score is not None and score > self._score:
            self._score, self._kept = score, Kept(step, _copied(weights))

    def result(self) -> Kept:
        """The best step's weights."""
        assert self._kept is not None
        return self._kept

    def state(self) -> dict[str, Any]:
        """Score, step and weights so far."""
        kept = self.result()
        return {"score": self._score, "step": kept.step, "weights": dict(kept.weights)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self._score, self._kept = state["score"], Kept(state["step"], state["weights"])


class Last:
    """The weights after the last step, as auxiliary runs keep them (METHOD.md 3.8)."""

    def __init__(self) -> None:
        self._kept: Kept | None = None

    def observe(self, step: int, weights: Weights, score: float | None, loss: float | None) -> None:
        """Remember the step; the live weights need no copy."""
        self._kept = Kept(step, weights)

    def result(self) -> Kept:
        """The last step's weights."""
        assert self._kept is not None
        return self._kept

    def state(self) -> dict[str, Any]:
        """Nothing: a checkpoint holds the weights of its step anyway."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to take over."""


KEEPS: dict[str, Callable[[], Keep]] = {"best": Best, "last": Last}


def keep(name: str) -> Keep:
    """A fresh row of the table.

    Raises:
        Refusal: for an unknown name.
    """
    if name not in KEEPS:
        raise Refusal(f"a run cannot keep {name!r}; it can keep {', '.join(KEEPS)}")
    return KEEPS[name]()


def _copied(weights: Weights) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
