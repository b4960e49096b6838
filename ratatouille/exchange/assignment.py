"""Assignments: single pieces of work, each a question whose SHA-256 is its *work id*.

Everything that can change the answer is a field, and nothing else is: not the round, not the node, not the time. So two
recipes that need the same run ask the same question, and the registry answers the second at once. The kinds: import a
foundation, probe a head on a frozen featurizer, fine-tune, evaluate one network, compare several.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS
from ratatouille.exchange.version import Coefficient
from ratatouille.record import Digest, Name, Record, first_problem

Fraction = Annotated[float, Field(ge=0, le=1)]


class Augmentation(Record):
    """Random changes of training images, drawn per image (docs/method.md §2)."""

    smallest_crop: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Random resized crop: the area is uniform between this share and 1."""
    flip: Fraction = 0.5
    jitter: Fraction = 0.3
    """Brightness, contrast, saturation (factor 1 ± this) and hue (± this share of the circle)."""
    grayscale: Fraction = 0.1


class _Assignment(Record):
    """The fields that all kinds of assignments share."""

    format: Literal[1] = 1
    architecture: Digest


class _DataAssignment(_Assignment):
    """Work on a node's data."""

    task: Digest
    fingerprint: Digest
    """The holding that the work is bound to; any node that holds it may do it."""
    trial: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """0: the split for life; others reshuffle, for benchmarks only."""
    repeat: NonNegativeInt = 0
    """Raised to ask the same question anew (`--fresh`)."""
    image_size: Annotated[int, Field(ge=1, le=4096)]
    revision: int = METHOD_REVISION
    numerics: str = NUMERICS


class Import(_Assignment):
    """Enter weights that were made elsewhere, such as a foundation; the source is stated, not proved."""

    kind: Literal["import"] = "import"
    featurizer: Digest
    task: Digest | None = None
    head: Digest | None = None
    source: Annotated[str, Field(max_length=500)]


class Probe(_DataAssignment):
    """Fit a head on the frozen featurizer: L2-regularised softmax regression on the training split's features."""

    kind: Literal["probe"] = "probe"
    featurizer: Digest
    domains: tuple[Name, ...]
    l2: PositiveFloat
    iterations: PositiveInt
    """Most iterations of the solver (L-BFGS, from zero)."""


class KeepBest(Record):
    """The evaluated step with the highest validation score, the first of several (docs/method.md §2)."""

    kind: Literal["best"] = "best"


class KeepLast(Record):
    """The last step, as auxiliary runs do (docs/method.md §3.8)."""

    kind: Literal["last"] = "last"


class KeepMean(Record):
    """The running mean of all steps from `start` on, at the evaluated step where that mean scores best on validation
    (docs/method.md §3.3).
    """

    kind: Literal["mean"] = "mean"
    start: PositiveInt


class KeepValley(Record):
    """The mean of all steps inside a valley of the validation loss (docs/method.md §3.3)."""

    kind: Literal["valley"] = "valley"
    converge: PositiveInt = 3
    """The valley begins where the loss was not lower at any of so many evaluations after it."""
    tolerance: PositiveInt = 6
    """It ends when the loss of so many evaluations in a row is too high."""
    ratio: NonNegativeFloat = 0.3
    """Too high: by more than this share above the mean loss at the valley's beginning."""


Keep = Annotated[KeepBest | KeepLast | KeepMean | KeepValley, Field(discriminator="kind")]


class FineTune(_DataAssignment):
    """Train all parameters from (head, featurizer) on the training split of `domains`.

    docs/method.md §2, §3.2, §3.8.
    """

    kind: Literal["fine_tune"] = "fine_tune"
    featurizer: Digest
    head: Digest
    domains: tuple[Name, ...]
    seed: NonNegativeInt
    steps: PositiveInt
    warmup: NonNegativeInt
    """Head-only steps at the beginning, counted inside `steps`; then a fresh optimiser trains everything."""
    batch: PositiveInt
    """Images per training domain and step, sampled with replacement."""
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    dropout: Annotated[float, Field(ge=0, lt=1)]
    evaluate_every: PositiveInt
    keep: Keep
    """What the run returns: a row of `ratatouille.training.keeps`."""
    augmentation: Augmentation = Augmentation()


Split = Literal["train", "validation", "test", "all"]
Slice = Literal["all", "seen", "new"]


class Cell(Record):
    """One confusion matrix to fill: a domain, which split of it, and which slice (`seen`/`new` groups, or `all`)."""

    domain: Name
    split: Split
    slice: Slice = "all"


class Evaluate(_DataAssignment):
    """Count how weights classify images, without augmentation."""

    kind: Literal["evaluate"] = "evaluate"
    featurizer: Digest
    head: Digest
    cells: tuple[Cell, ...]


class Weighted(Record):
    """One part of one version in a mixture."""

    part: Digest
    coefficient: Coefficient = 1


class Mixture(Record):
    """A network that the node makes itself: weighted means of featurizers and of heads, each with its own weights."""

    featurizer: Annotated[tuple[Weighted, ...], Field(min_length=1, max_length=1000)]
    head: Annotated[tuple[Weighted, ...], Field(min_length=1, max_length=1000)]


class Compare(_DataAssignment):
    """Count how several networks classify the same images; nothing but counts leaves the node (docs/method.md §4).

    Interpolation curves, output ensembles, diversity and greedy selection are all questions of this kind.
    """

    kind: Literal["compare"] = "compare"
    networks: Annotated[tuple[Mixture, ...], Field(min_length=1, max_length=1000)]
    cells: Annotated[tuple[Cell, ...], Field(min_length=1)]
    ensemble: bool = False
    """Count the mean of all networks' logits too."""
    pairs: bool = False
    """Count for each pair of networks what both, one or none classify correctly."""
    features: bool = False
    """With pairs: compare the features of each pair too."""
    about: Annotated[Digest | None, Field(exclude_if=lambda about: about is None)] = None
    """The version under review, if it is one: nodes of the member that made it do not answer while another member
    offers the data. Left out of the record where there is none, so such questions keep their work ids.
    """


Assignment = Annotated[Import | Probe | FineTune | Evaluate | Compare, Field(discriminator="kind")]
NodeAssignment = Probe | FineTune | Evaluate | Compare


def heads_of(assignment: Import | Probe | FineTune | Evaluate | Compare) -> set[str]:
    """Digests of the heads that a node counts or trains with; a probe begins without one."""
    match assignment:
        case Compare():
            return {term.part for network in assignment.networks for term in network.head}
        case FineTune() | Evaluate():
            return {assignment.head}
        case _:
            return set()


def inputs_of(assignment: NodeAssignment) -> tuple[str, ...]:
    """Digests of the weights that the work starts from, each once."""
    match assignment:
        case Probe():  # there is no head yet
            return (assignment.featurizer,)
        case Compare():
            parts = (one for mixture in assignment.networks for one in (*mixture.featurizer, *mixture.head))
            return tuple(dict.fromkeys(one.part for one in parts))
        case _:
            return (assignment.featurizer, assignment.head)


_ADAPTER: TypeAdapter[Import | Probe | FineTune | Evaluate | Compare] = TypeAdapter(Assignment)


def parse_assignment(data: bytes | str) -> Import | Probe | FineTune | Evaluate | Compare:
    """Parse an assignment of any kind from outside.

    Raises:
        Refusal: naming the first field that does not fit.
    """
    try:
        return _ADAPTER.validate_json(data)
    except ValidationError as error:
        raise Refusal(f"this assignment cannot be read: {first_problem(error)}") from error
