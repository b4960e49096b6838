"""One network as one file, under timm's names: what other software reads and writes.

A featurizer's tensors have timm's names already; the head is the layer that timm calls by a name of its own (`fc`,
`head.fc`, `classifier` …). A file from outside is only a box of named tensors: parts are copied out of it and encoded
anew. Pickles are never opened. numpy and safetensors only: where timm has its classifier, `training.export` knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ratatouille.errors import Refusal
from ratatouille.record import Record
from ratatouille.weights.architecture import Architecture, Tensor, TensorName
from ratatouille.weights.canonical import Array, stream

METADATA = {"format": "pt"}
"""What Hugging Face's loaders ask of a safetensors file: tensors as torch lays them out."""
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")
WRAPPED = ("module.", "_orig_mod.", "timm_model.", "model.", "backbone.")
"""What training loops put before every name."""


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


class Checkpoint(Mapping[str, Array]):
    """The tensors of a safetensors file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            Refusal: when it is a pickle, or no safetensors file.
        """
        self.path = path
        if path.suffix.lower() in PICKLES:
            raise pickled(path)
        if not path.is_file():
            raise Refusal(f"there is no file '{path}'; give a safetensors file, or the folder of a model")
        try:
            file: Any = safe_open(path, framework="numpy")
            self.kinds = {name: _kind(file, name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        except (OSError, SafetensorError) as error:
            raise Refusal(
                f"'{path}' cannot be read as a safetensors file: {error}; save the weights with safetensors"
            ) from error
        self._file = file

    def __getitem__(self, name: str) -> Array:
        array: Array = self._file.get_tensor(name)
        return array

    def __contains__(self, name: object) -> bool:
        return name in self.kinds  # without reading the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True)
class Whole:
    """A file that holds all of a network: where its head is, and how many classes that has."""

    checkpoint: Checkpoint
    architecture: Architecture
    classifier: Classifier | None
    """None: the file has a featurizer only."""
    classes: int

    def head(self) -> dict[str, Array]:
        """The head's arrays, under our names."""
        if self.classifier is None:
            return {}
        weight = self.checkpoint[self.classifier.inside("weight")]
        return {"weight": weight.reshape(weight.shape[:2]), "bias": self.checkpoint[self.classifier.inside("bias")]}

    def digests(self) -> tuple[str, str | None]:
        """SHA-256 of the canonical files of featurizer and head."""
        featurizer = _sha256(stream(self.architecture.featurizer, self.checkpoint))
        if self.classifier is None:
            return featurizer, None
        return featurizer, _sha256(stream(self.architecture.head(self.classes), self.head()))


def take_apart(checkpoint: Checkpoint, architecture: Architecture) -> Whole:
    """Find the parts of a network in a file, by name: what is no featurizer must be one linear layer from d.

    Raises:
        Refusal: naming the first tensor that is missing, too many, of another shape or another type.
    """
    what = f"'{checkpoint.path.name}' does not hold a network {architecture.name}"
    for wanted in architecture.featurizer:
        if wanted.name not in checkpoint:
            raise Refusal(f"{what}: tensor {wanted.name} is missing{_wrapping(checkpoint, wanted.name)}")
        _, shape = checkpoint.kinds[wanted.name]
        if shape != wanted.shape:
            raise Refusal(f"{what}: tensor {wanted.name} has shape {list(shape)} instead of {list(wanted.shape)}")
        _refuse_type(checkpoint, wanted.name, wanted.dtype)
    known = {tensor.name for tensor in architecture.featurizer}
    rest = sorted(name for name in checkpoint if name not in known)
    if not rest:
        return Whole(checkpoint, architecture, None, 0)
    name = rest[-1].rpartition(".")[0]
    if rest != [f"{name}.bias", f"{name}.weight"]:
        strange = next((one for one in rest if one not in (f"{name}.bias", f"{name}.weight")), rest[0])
        raise Refusal(
            f"{what}: beside its featurizer there must be one linear layer, a weight and a bias, but there is "
            f"{strange[:80]}"
        )
    _, shape = checkpoint.kinds[f"{name}.weight"]
    classes, width, *ones = (*shape, 0, 0)[: max(2, len(shape))]
    if width != architecture.width or any(one != 1 for one in ones) or len(ones) not in (0, 2):
        raise Refusal(
            f"{what}: its classifier {name}.weight has shape {list(shape)}; a head of this network takes "
            f"{architecture.width} features, so [classes, {architecture.width}]"
        )
    if checkpoint.kinds[f"{name}.bias"][1] != (classes,):
        raise Refusal(f"{what}: {name}.bias has another length than the {classes} classes of {name}.weight")
    for one in rest:
        _refuse_type(checkpoint, one, "F32")
    return Whole(checkpoint, architecture, Classifier(name=name, convolution=bool(ones)), classes)


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


def pickled(path: Path) -> Refusal:
    """The sentence for files that run code when they are opened."""
    return Refusal(
        f"'{path}' is a pickle, which can run anything when it is opened, so it is not; save the weights where they "
        "were made with safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
    )


def _kind(file: Any, name: str) -> tuple[str, tuple[int, ...]]:
    found = file.get_slice(name)
    return found.get_dtype(), tuple(found.get_shape())


def _refuse_type(checkpoint: Checkpoint, name: str, wanted: str) -> None:
    dtype, _ = checkpoint.kinds[name]
    if dtype == wanted:
        return
    if wanted == "F32" and dtype in ("F16", "BF16"):
        raise Refusal(
            f"tensor {name} of '{checkpoint.path.name}' is {dtype}: rounding to half precision loses about as much as "
            "a fine-tuning changes, and a conversion back cannot mend it; save the float32 weights"
        )
    raise Refusal(f"tensor {name} of '{checkpoint.path.name}' is {dtype}, not {wanted}; save it with that type")


def _wrapping(checkpoint: Checkpoint, name: str) -> str:
    """A hint, where all names only lack what a training loop put before them."""
    found = next((one for one in WRAPPED if f"{one}{name}" in checkpoint), None)
    return "" if found is None else f", but there is {found}{name}: take '{found}' away from the names"


def _sha256(chunks: Iterator[bytes]) -> str:
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
    return sha.hexdigest()
