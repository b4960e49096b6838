"""Protocols: the numbers of a sweep that depend on the scale of data and network, and what each run draws from them.

A round names a row and may override single values; the resolved values are part of every work id. `domainbed` is
docs/method.md §2 with the defects of §6 mended; `domainbed-reference` keeps two of the reference's choices that change
results (docs/method.md §6.1, §6.6), for comparison with published tables; `emoji` is ours, for 64-pixel drawings on two
cores, chosen on validation data (docs/emoji-protocol.md). Seeds and hyper-parameters of a run depend on its number and
trial only, never on its start or on the pool of auxiliary tasks: so two recipes are paired run by run.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Augmentation
from ratatouille.record import Name, Record
from ratatouille.settings import advice, mistake

Dropout = Annotated[float, Field(ge=0, lt=1)]


class AuxiliaryValues(Record):
    """Values that the runs of one auxiliary task take instead of the protocol's own; unset: the protocol's own."""

    steps: PositiveInt | None = None
    evaluate_every: PositiveInt | None = None


class Protocol(Record):
    """All values that a recipe needs besides its own three columns."""

    name: Name
    image_size: Annotated[int, Field(ge=8, le=1024)]
    runs: Annotated[int, Field(ge=1, le=1000)]
    """M, the number of target runs of each recipe."""
    steps: PositiveInt
    warmup: NonNegativeInt
    """Head-only steps when the start is not the foundation (docs/method.md §3.8), counted inside `steps`."""
    batch: PositiveInt
    """Images per training domain and step."""
    evaluate_every: PositiveInt
    auxiliary_runs: PositiveInt
    auxiliary_steps: PositiveInt
    auxiliary_evaluate_every: Annotated[PositiveInt | None, Field(exclude_if=lambda steps: steps is None)] = None
    """Of auxiliary runs; unset: `evaluate_every`. Auxiliary work is done once for all targets, so what one target
    changes must not change it.
    """
    auxiliary_tasks: dict[Name, AuxiliaryValues] = Field(default_factory=dict, exclude_if=lambda tasks: not tasks)
    """Auxiliary tasks, by name, whose runs take other values than the two above, as in docs/method.md §2."""
    auxiliary_rate_factor: Annotated[PositiveFloat, Field(exclude_if=lambda factor: factor == 1.0)] = 1.0
    """Factor on the learning rates of auxiliary runs. Left out of the record where it is 1, as in the paper, so that
    rounds that were entered before there was a factor keep their ids.
    """
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    dropout: Dropout
    learning_rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    weight_decays: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)]
    dropouts: Annotated[tuple[Dropout, ...], Field(min_length=1)]
    probe_l2: PositiveFloat
    probe_iterations: PositiveInt
    probe_trial: Literal["own", "first"] = "own"
    """Whose training split the shared head is probed on: each trial's own, or trial 0's for all, which has seen images
    that other trials validate on (docs/method.md §6.1).
    """
    untrained_members: Annotated[bool, Field(exclude_if=lambda members: members)] = True
    """Whether a run that kept step 0, so that its weights are its start, is a member of averages and ensembles like any
    other, as in the paper. Reports and pages mark it either way.
    """
    trimmed_share: Annotated[float, Field(ge=0, le=0.5, exclude_if=lambda share: share == 0.2)] = 0.2
    """Share of the runs whose values a trimmed mean leaves out at each end, at every weight. Left out of the record at
    0.2, so that rounds that were entered before there was a trimmed mean keep their ids.
    """
    average_from: PositiveInt = 100
    """First step of the trajectory's mean (docs/method.md §3.3)."""
    swad_converge: PositiveInt = 3
    swad_tolerance: PositiveInt = 6
    swad_ratio: NonNegativeFloat = 0.3
    wise_alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The run's share in its mix with the linear probe (docs/method.md §3.3)."""
    fusing_spread: NonNegativeFloat = 4.0
    """How unequal the coefficients of a fused start may be: κ = exp(spread · u) (docs/method.md §3.7)."""
    precision: Annotated[Literal["float32", "bfloat16"], Field(exclude_if=lambda name: name == "float32")] = "float32"
    """What trainings compute in. `bfloat16` is meant for GPUs, other numbers come of it, and it is not measured yet."""
    augmentation: Augmentation = Augmentation()

    def of_auxiliary(self, task: str) -> tuple[int, int]:
        """Steps of a run on this auxiliary task, and the steps between its evaluations."""
        own = self.auxiliary_tasks.get(task, AuxiliaryValues())
        every = own.evaluate_every or self.auxiliary_evaluate_every or self.evaluate_every
        return own.steps or self.auxiliary_steps, every


DOMAINBED = Protocol(
    name="domainbed",
    image_size=224,
    runs=20,
    steps=5001,
    warmup=200,
    batch=32,
    evaluate_every=100,
    auxiliary_runs=4,
    auxiliary_steps=5001,
    learning_rate=5e-5,
    weight_decay=0.0,
    dropout=0.0,
    learning_rates=(1e-5, 3e-5, 5e-5),
    weight_decays=(1e-4, 1e-6),
    dropouts=(0.0, 0.1, 0.5),
    probe_l2=0.1,
    probe_iterations=300,
    auxiliary_tasks={
        "domain-net": AuxiliaryValues(steps=15001, evaluate_every=500),
        "vlcs": AuxiliaryValues(evaluate_every=50),
    },
)

EMOJI = DOMAINBED.model_copy(
    update={
        "name": "emoji",
        "image_size": 64,
        "runs": 6,
        "steps": 160,
        "warmup": 16,
        "batch": 12,
        "evaluate_every": 20,
        "auxiliary_runs": 1,
        "auxiliary_steps": 80,
        "learning_rate": 2e-4,
        "learning_rates": (1e-4, 2e-4, 3e-4),
        "probe_l2": 0.3,
        "average_from": 20,
        "auxiliary_tasks": {},
    }
)

REFERENCE = DOMAINBED.model_copy(
    update={
        "name": "domainbed-reference",
        "probe_trial": "first",
        "warmup": 201,  # the reference's loop is off by one (docs/method.md §6.6)
    }
)

PROTOCOLS = {protocol.name: protocol for protocol in (DOMAINBED, REFERENCE, EMOJI)}


def resolve_protocol(name: str, changes: dict[str, Any]) -> Protocol:
    """The row `name` with single values replaced.

    Raises:
        Refusal: for an unknown row, an unknown value's name, or a value that does not fit.
    """
    if name not in PROTOCOLS:
        raise Refusal(f"there is no protocol {name!r}; {advice(name, PROTOCOLS, 'protocols')}")
    values = PROTOCOLS[name].model_dump() | changes
    try:
        return Protocol.model_validate(values)
    except ValidationError as error:
        raise Refusal(f"protocol {name}: {mistake(error, Protocol)}") from error


class Hyperparameters(Record):
    """The values that differ between the runs of a sweep."""

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
