"""Attacks on an average, as pure functions of one contribution, its peers and its start.

Each row of `ATTACKS` makes the weights that an attacker pushes in place of its own honest contribution. An attacker
knows everything: its peers' weights, the start and the foundation. Two attacks are really trained (`trained`) and are
given here as the weights that came out. Sources: sign flip and noise, Blanchard et al. 2017; ALIE, Baruch et al. 2019;
inner product manipulation, Xie et al. 2020; label flip, Biggio et al. 2012; backdoor by a patch, Gu et al. 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coordinator.benchmark.admission.weights import FlatWeights

ALIE, IPM, SMALL_IPM = 1.5, 2.0, 0.5
"""Standard deviations of ALIE, and strengths of inner product manipulation; the first two are byzfl's own."""
SCALE, STEEP, HEAD_SCALE = 100.0, 10.0, 1000.0
HIDDEN = 0.1
"""Norm of the noise that makes a copy look unlike, as a share of the update."""
LARGEST = 3e38
Wide = NDArray[np.float64]


@dataclass(frozen=True)
class Situation:
    """What one attacker has."""

    own: FlatWeights
    """Its honest contribution, which it replaces."""
    start: FlatWeights
    """What that contribution started from."""
    origin: FlatWeights
    """The foundation with the shared head."""
    head: slice
    """Where the head lies in the vectors."""
    classes: int
    peers: Sequence[FlatWeights] = ()
    """The honest contributions of the same round, the attacker's own not among them."""
    elsewhere: FlatWeights | None = None
    """An honest contribution from another start."""
    trained: Mapping[str, FlatWeights] = field(default_factory=dict)
    """What trained attacks made, by name."""
    seed: int = 0
    """Of this attacker's noise."""

    def noise(self, norm: float) -> Wide:
        """Gaussian noise with this norm."""
        drawn = np.random.default_rng(self.seed).standard_normal(len(self.own.values))
        found: Wide = drawn * (norm / np.linalg.norm(drawn))
        return found

    @property
    def update(self) -> Wide:
        """θ − θ_start of the honest contribution."""
        return self.own.values.astype(np.float64) - self.start.values


@dataclass(frozen=True)
class Attack:
    """A row of the table."""

    name: str
    summary: str
    make: Callable[[Situation], FlatWeights]
    uses_peers: bool = False
    """Whether it is made of the peers' weights, so that it differs from round to round."""
    trained: bool = False
    """Whether its weights come from a training of its own."""
    foreign_buffers: bool = False
    """Whether it changes what no contribution may change."""


def mean_of(vectors: Sequence[FlatWeights]) -> Wide:
    """Their mean, one after the other, so that memory does not grow with their number."""
    total = np.zeros(len(vectors[0].values))
    for one in vectors:
        total += one.values
    return total / len(vectors)


def deviation_of(vectors: Sequence[FlatWeights], mean: Wide) -> Wide:
    """The standard deviation at each element, with n − 1."""
    total = np.zeros(len(mean))
    for one in vectors:
        total += (one.values - mean) ** 2
    found: Wide = np.sqrt(total / (len(vectors) - 1))
    return found


def inner_product(mean_update: Wide, strength: float) -> Wide:
    """The update that pulls the mean of all backwards: −strength · the mean of the honest updates."""
    return -strength * mean_update


def _hidden(given: Situation, values: Wide) -> FlatWeights:
    """With noise that makes it no copy of what other attackers push."""
    return given.own.moved(values + given.noise(HIDDEN * float(np.linalg.norm(given.update))))


def _flip_update(given: Situation) -> FlatWeights:
    return given.own.moved(given.start.values - given.update)


def _noise(given: Situation) -> FlatWeights:
    return given.own.moved(given.noise(float(np.linalg.norm(given.own.values))))


def _noisy_update(given: Situation) -> FlatWeights:
    return given.own.moved(given.start.values + given.noise(float(np.linalg.norm(given.update))))


def _alie(given: Situation) -> FlatWeights:
    mean = mean_of(given.peers)
    return _hidden(given, mean + ALIE * deviation_of(given.peers, mean))


def _ipm(strength: float) -> Callable[[Situation], FlatWeights]:
    def make(given: Situation) -> FlatWeights:
        origin = given.origin.values.astype(np.float64)
        return _hidden(given, origin + inner_product(mean_of(given.peers) - origin, strength))

    return make


def _rotated_head(given: Situation) -> FlatWeights:
    values = given.own.values.astype(np.float64)
    head = values[given.head]
    bias, rows = head[: given.classes], head[given.classes :].reshape(given.classes, -1)
    values[given.head] = HEAD_SCALE * np.concatenate([np.roll(bias, 1), np.roll(rows, 1, axis=0).ravel()])
    return given.own.moved(values)


def _batch_norm(given: Situation) -> FlatWeights:
    """As a training in training mode leaves the running statistics: a step of momentum 0.1 towards the batch's."""
    drawn = np.random.default_rng(given.seed)
    moved = {
        name: array if array.dtype.kind == "i" else (0.9 * array + 0.1 * drawn.random(array.shape)).astype(array.dtype)
        for name, array in given.own.buffers.items()
    }
    return FlatWeights(given.own.values, moved)


def _wrong_ancestor(given: Situation) -> FlatWeights:
    """The same training from other weights of equal size: the start's with its elements in another order."""
    other = given.start.values.astype(np.float64)
    np.random.default_rng(given.seed).shuffle(other[: given.head.start])
    return given.own.moved(other + given.update)


def _stale_start(given: Situation) -> FlatWeights:
    if given.elsewhere is not None:
        return given.elsewhere
    return given.own.moved(given.origin.values + given.update)  # all of the round started at one place


def _free_rider(given: Situation) -> FlatWeights:
    return given.start


def _hidden_free_rider(given: Situation) -> FlatWeights:
    return _hidden(given, given.start.values.astype(np.float64))


def _duplicate(given: Situation) -> FlatWeights:
    return given.peers[0]


def _hidden_duplicate(given: Situation) -> FlatWeights:
    return _hidden(given, given.peers[0].values.astype(np.float64))


def _from_training(name: str) -> Callable[[Situation], FlatWeights]:
    return lambda given: given.trained[name]


_ROWS = (
    Attack("flipped weights", "every weight with the other sign", lambda given: given.own.moved(-given.own.values)),
    Attack("flipped update", "the update with the other sign", _flip_update),
    Attack("scaled weights", "weights × 100", lambda given: given.own.moved(SCALE * given.own.values)),
    Attack("scaled update", "update × 10", lambda given: given.own.moved(given.start.values + STEEP * given.update)),
    Attack("noise", "noise as large as the weights", _noise),
    Attack("noisy update", "noise as large as the update", _noisy_update),
    Attack("zeros", "zeros", lambda given: given.own.moved(np.zeros_like(given.own.values))),
    Attack("largest floats", "3e38 everywhere", lambda given: given.own.moved(np.full_like(given.own.values, LARGEST))),
    Attack("ALIE", "the peers' mean and 1.5 of their standard deviations", _alie, uses_peers=True),
    Attack("inner product", "the peers' mean update × −2", _ipm(IPM), uses_peers=True),
    Attack("small inner product", "the peers' mean update × −0.5", _ipm(SMALL_IPM), uses_peers=True),
    Attack("label flip", "really trained, every label exchanged", _from_training("label flip"), trained=True),
    Attack("rotated head", "head × 1000, its rows moved by one class", _rotated_head),
    Attack("batch norm", "running statistics of a training in training mode", _batch_norm, foreign_buffers=True),
    Attack("wrong ancestor", "the update on weights in another order", _wrong_ancestor),
    Attack("stale start", "an honest run from another start than its receipt says", _stale_start),
    Attack("free rider", "the start, unchanged", _free_rider),
    Attack("hidden free rider", "the start with noise of 10 % of an update", _hidden_free_rider),
    Attack("duplicate", "a copy of a peer", _duplicate, uses_peers=True),
    Attack("hidden duplicate", "a copy of a peer with noise of 10 % of an update", _hidden_duplicate, uses_peers=True),
    Attack("backdoor", "really trained: a patch means one class", _from_training("backdoor"), trained=True),
)
ATTACKS = {attack.name: attack for attack in _ROWS}
