"""The seeds and hyper-parameters of runs, drawn as the paper's sweep draws them (docs/method.md §2).

A run's values depend on its number and trial only, never on its start or on the pool of auxiliary tasks: so two recipes
are paired run by run.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from ratatouille.recipes.protocol import Protocol
from ratatouille.record import Record


class Hyperparameters(Record):
    """What differs between the runs of a sweep."""

    learning_rate: float
    weight_decay: float
    dropout: float


def seed_hash(*arguments: object) -> int:
    """MD5 of the argument tuple's text, modulo 2^31 (docs/method.md §2, seed hash)."""
    return int(hashlib.md5(str(arguments).encode(), usedforsecurity=False).hexdigest(), 16) % 2**31


def draw(protocol: Protocol, number: int, trial: int) -> Hyperparameters:
    """Hyper-parameters of run `number`: 0 takes the defaults, others draw each value uniformly from its choices."""
    if number == 0:
        return Hyperparameters(
            learning_rate=protocol.learning_rate, weight_decay=protocol.weight_decay, dropout=protocol.dropout
        )
    seed = seed_hash(number, trial)
    return Hyperparameters(
        learning_rate=_choose(seed, "lr", protocol.learning_rates),
        weight_decay=_choose(seed, "weight_decay", protocol.weight_decays),
        dropout=_choose(seed, "resnet_dropout", protocol.dropouts),
    )


def run_seed(task: str, held_out: Sequence[str], number: int, trial: int) -> int:
    """Seed of a run's batches, augmentation and dropout; independent of start and pool (docs/method.md §7)."""
    return seed_hash(task, "ERM", tuple(held_out), number, trial)


def fusing_weights(count: int, spread: float, number: int, trial: int) -> tuple[float, ...]:
    """λ_i = κ_i / Σκ of `count` starts for one run, κ_i = exp(spread · u_i), u_i uniform in [0, 1).

    docs/method.md §3.7. Rounded to nine digits, so that every machine asks for the same mix.
    """
    drawn = np.random.RandomState(seed_hash(number, trial, "fusing")).uniform(size=count)
    weights = [math.exp(spread * float(one)) for one in drawn]
    return tuple(round(weight / math.fsum(weights), 9) for weight in weights)


@cache  # a plan asks for the same few values again and again
def _choose(seed: int, name: str, choices: tuple[float, ...]) -> float:
    return float(np.random.RandomState(seed_hash(seed, name)).choice(list(choices)))
