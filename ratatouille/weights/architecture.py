"""Architectures: immutable records of what weights belong to, since names and shapes do not identify a model.

(timm's `efficientnet_lite0` and `tf_efficientnet_lite0` share every name and shape and differ in padding.) Averaging
and pushing require equal records. The record lists the featurizer's tensors, so a registry without torch can check a
push against it before it takes a byte; `ratatouille.training.network` makes records from timm.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ratatouille.record import Record

Part = Literal["featurizer", "head"]
PARTS: tuple[Part, ...] = ("featurizer", "head")
Dtype = Literal["F32", "I64"]
BYTES_PER_ELEMENT: dict[str, int] = {"F32": 4, "I64": 8}

TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.]{0,199}$")]


class Tensor(Record):
    """Name, type and shape of one tensor; a *buffer* (BatchNorm statistics, counters) is not trained."""

    name: TensorName
    dtype: Dtype = "F32"
    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = ()
    buffer: bool = False

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * BYTES_PER_ELEMENT[self.dtype]


class Architecture(Record):
    """A network without its weights: how timm builds the featurizer, and what the network sees."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)?$")]
    arguments: dict[str, bool | int | float | str] = Field(default_factory=dict)
    input_size: Annotated[int, Field(ge=8, le=2048)]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: Literal["symmetric", "same"]
    width: Annotated[int, Field(ge=1, le=65536)]
    """d, the length of the feature vector, from a dry forward pass."""
    featurizer: tuple[Tensor, ...]

    def head(self, classes: int) -> tuple[Tensor, ...]:
        """The tensors of the one linear layer that maps d features to `classes` logits."""
        return (Tensor(name="bias", shape=(classes,)), Tensor(name="weight", shape=(classes, self.width)))

    def part(self, part: Part, classes: int) -> tuple[Tensor, ...]:
        """The tensors of a part."""
        return self.featurizer if part == "featurizer" else self.head(classes)
