"""One network as one file, under timm's names: what other software reads and writes.

A featurizer's tensors have timm's names already; the head is the layer that timm calls by a name of its own (`fc`,
`head.fc`, `classifier` …). A file from outside is only a box of named tensors: parts are copied out of it and encoded
anew. Pickles are never opened. numpy only: where timm has its classifier, `training.export` knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ratatouille.errors import Refusal
from ratatouille.record import Record
from ratatouille.weights.architecture import Architecture, Tensor, TensorName
from ratatouille.weights.canonical import Array, stream
from ratatouille.weights.container import Container

METADATA = {"format": "pt"}
"""What Hugging Face's loaders ask of a safetensors file: tensors as torch lays them out."""


class Classifier(Record):
    """timm's last layer, which is our head."""

    name: TensorName
    convolution: bool = False
    """Whether it is a 1 × 1 convolution: its weight is [classes, d, 1, 1] instead of [classes, d]."""

    def tensors(self, head: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The tensors of a head as timm has them."""
        return tuple(
            tensor.model_copy(
                update={
                    "name": self.inside(tensor.name),
                    "shape": (*tensor.shape, 1, 1) if self._squeezed(tensor.name) else tensor.shape,
                }
            )
            for tensor in head
        )

    def wrap(self, head: Mapping[str, Array]) -> dict[str, Array]:
        """A head's arrays as timm has them."""
        return {
            self.inside(name): array[..., None, None] if self._squeezed(name) else array for name, array in head.items()
        }

    def inside(self, name: str) -> str:
        """The name in the whole network of the head's tensor `name`."""
        return f"{self.name}.{name}"

    def _squeezed(self, name: str) -> bool:
        return self.convolution and name == "weight"


@dataclass(frozen=True)
class Whole:
    """A file that holds all of a network: where its head is, and how many classes that has."""

    container: Container
    architecture: Architecture
    classifier: Classifier | None
    """None: the file has a featurizer only."""
    classes: int

    def head(self) -> dict[str, Array]:
        """The head's arrays, under our names."""
        if self.classifier is None:
            return {}
        weight = self.container[self.classifier.inside("weight")]
        return {"weight": weight.reshape(weight.shape[:2]), "bias": self.container[self.classifier.inside("bias")]}

    def digests(self) -> tuple[str, str | None]:
        """SHA-256 of the canonical files of featurizer and head."""
        featurizer = _sha256(stream(self.architecture.featurizer, self.container))
        if self.classifier is None:
            return featurizer, None
        return featurizer, _sha256(stream(self.architecture.head(self.classes), self.head()))


def take_apart(container: Container, architecture: Architecture) -> Whole:
    """Find the parts of a network in a file, by name: what is no featurizer must be one linear layer from d.

    Raises:
        Refusal: naming the first tensor that is missing, too many, of another shape or another type.
    """
    what = f"'{container.path.name}' does not hold a network {architecture.name}"
    for wanted in architecture.featurizer:
        if wanted.name not in container:
            raise Refusal(f"{what}: tensor {wanted.name} is missing{_wrapping(container, wanted.name)}")
        _, shape = container.kinds[wanted.name]
        if shape != wanted.shape:
            raise Refusal(f"{what}: tensor {wanted.name} has shape {list(shape)} instead of {list(wanted.shape)}")
        _refuse_type(container, wanted.name, wanted.dtype)
    known = {tensor.name for tensor in architecture.featurizer}
    rest = sorted(name for name in container if name not in known)
    if not rest:
        return Whole(container, architecture, None, 0)
    name = _linear(container, rest, architecture.width, what)
    _, shape = container.kinds[f"{name}.weight"]
    classes, width, *ones = (*shape, 0, 0)[: max(2, len(shape))]
    if width != architecture.width or any(one != 1 for one in ones) or len(ones) not in (0, 2):
        raise Refusal(
            f"{what}: its classifier {name}.weight has shape {list(shape)}; a head of this network takes "
            f"{architecture.width} features, so [classes, {architecture.width}]"
        )
    if container.kinds[f"{name}.bias"][1] != (classes,):
        raise Refusal(f"{what}: {name}.bias has another length than the {classes} classes of {name}.weight")
    for one in ("bias", "weight"):
        _refuse_type(container, f"{name}.{one}", "F32")
    return Whole(container, architecture, Classifier(name=name, convolution=bool(ones)), classes)


def put_together(
    architecture: Architecture,
    featurizer: Mapping[str, Array],
    classifier: Classifier | None = None,
    head: Mapping[str, Array] | None = None,
) -> Iterator[bytes]:
    """The bytes of a file with all of a network, a tensor at a time; without a head, of the featurizer alone."""
    tensors, arrays = architecture.featurizer, dict(featurizer)
    if classifier is not None and head is not None:
        tensors += classifier.tensors(architecture.head(len(head["bias"])))
        arrays |= classifier.wrap(head)
    return stream(tensors, arrays, METADATA)


def _refuse_type(container: Container, name: str, wanted: str) -> None:
    dtype, _ = container.kinds[name]
    if dtype == wanted:
        return
    if wanted == "F32" and dtype in ("F16", "BF16"):
        raise Refusal(
            f"tensor {name} of '{container.path.name}' is {dtype}: rounding to half precision loses about as much as "
            "a fine-tuning changes, and a conversion back cannot mend it; save the float32 weights"
        )
    raise Refusal(f"tensor {name} of '{container.path.name}' is {dtype}, not {wanted}; save it with that type")


def _linear(container: Container, rest: Sequence[str], width: int, what: str) -> str:
    """The name of the one linear layer among the tensors that are not the featurizer's; names what is none of it."""
    layers = [name.removesuffix(".weight") for name in rest if name.endswith(".weight")]
    layers = [name for name in layers if f"{name}.bias" in rest]
    fitting = [name for name in layers if (container.kinds[f"{name}.weight"][1] + (0, 0))[1] == width]
    found = fitting or layers
    strange = [one for one in rest if one not in (f"{found[0]}.weight", f"{found[0]}.bias")] if found else list(rest)
    if not strange:
        return found[0]
    if len(found) > 1:
        said = f"there are {', '.join(found)[:200]}; keep one of them"
    else:
        layer = not found and strange[0].endswith((".weight", ".bias"))
        said = f"there is {strange[0][:80]}{'' if layer else '; take it out of the file'}"
    raise Refusal(f"{what}: beside its featurizer there must be one linear layer, a weight and a bias, but {said}")


def _wrapping(container: Container, name: str) -> str:
    """A hint, where the name only lacks a prefix."""
    found = next((one for one in container if one.endswith(f".{name}")), None)
    return "" if found is None else f", but there is {found[:80]}"


def _sha256(chunks: Iterator[bytes]) -> str:
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
    return sha.hexdigest()
