"""Networks: a featurizer by timm, then dropout and one linear layer; and the architecture records that describe them.

timm knows more than a thousand networks, so nothing is written per network: whatever timm builds and whose forward pass
gives [B, d] is accepted, anything else refused by name. Where start weights come from is left to `foundation`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.record import sha256
from ratatouille.weights import canonical
from ratatouille.weights.architecture import Architecture, Dtype, Part
from ratatouille.weights.architecture import Tensor as Described
from ratatouille.weights.canonical import Array

DTYPES: dict[torch.dtype, Dtype] = {torch.float32: "F32", torch.int64: "I64"}
NORMALISATIONS = {"tf_efficientnet_lite0": ((127 / 255,) * 3, (128 / 255,) * 3)}
"""Mean and deviation of pixels in 0..1 where the original differs from timm's record: (x − 127) / 128 on 0..255."""

ARGUMENTS = (
    "class_token",
    "drop_path_rate",
    "dynamic_img_size",
    "global_pool",
    "img_size",
    "output_stride",
    "patch_size",
    "reg_tokens",
)
"""What a record may pass to timm: nothing that names a file, an address or pre-trained weights, since a record may come
from outside.
"""


class Network(nn.Module):
    """θ = (head, featurizer). BatchNorm layers always use their running statistics; their γ and β are trained."""

    def __init__(self, featurizer: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.featurizer = featurizer
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes] of normalised images [B, 3, H, W]."""
        logits: Tensor = self.head(self.dropout(self.featurizer(images)))
        return logits

    def train(self, mode: bool = True) -> Network:
        """As in torch, but whatever keeps running statistics stays in eval mode (docs/method.md §2); returns self."""
        super().train(mode)
        for module in self.modules():
            if "running_mean" in module._buffers or "running_var" in module._buffers:
                module.training = False
        return self

    def load(self, part: Part, arrays: Mapping[str, Array]) -> Network:
        """Copy a part's arrays into the parameters and buffers of `featurizer` or `head`; returns self."""
        with torch.no_grad():
            for name, tensor in self.get_submodule(part).state_dict().items():
                tensor.copy_(torch.from_numpy(np.array(arrays[name])))  # a copy: mapped files are read-only
        return self

    def dump(self, part: Part) -> dict[str, Array]:
        """The arrays of `featurizer` or `head`, on the CPU, contiguous, independent of the network."""
        state = self.get_submodule(part).state_dict()
        return {name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in state.items()}


def build(architecture: Architecture, classes: int, dropout: float = 0.0, image_size: int | None = None) -> Network:
    """The network of a record, weights still random.

    Raises:
        Refusal: as `describe`; when this timm builds other tensors than the record lists, or the network cannot work on
            images of `image_size` pixels (its own by default).
    """
    featurizer = _featurizer(architecture.name, architecture.arguments)
    tensors = _tensors(architecture.name, featurizer)
    if tensors != architecture.featurizer:
        raise Refusal(
            f"this timm ({timm.__version__}) builds {architecture.name} with other tensors than the architecture's "
            "record lists; install the version that the federation uses",
            code="network-differs",
        )
    if image_size not in (None, architecture.input_size):
        _width(architecture.name, featurizer, image_size)
    network = Network(featurizer, architecture.width, classes, dropout)
    # the layout in memory, not the shapes: convolutions train about 1.7 × faster on CPUs
    network.to(memory_format=torch.channels_last)
    return network


def describe(
    name: str, arguments: Mapping[str, bool | int | float | str] | None = None, input_size: int | None = None
) -> Architecture:
    """The record of a network that timm knows.

    Args:
        name: a name of `timm.list_models()`; no addresses, no folders.
        arguments: what to pass to `timm.create_model`, of `ARGUMENTS`.
        input_size: pixels of a side; the network's own by default. Networks with a fixed size are built for it.

    Raises:
        Refusal: an unknown name, with close matches; a network that cannot be built, has tensors other than float32 and
            int64, or whose forward pass does not give [B, d].
    """
    passed = dict(arguments or {})
    configuration = timm_record(name)
    size = input_size or int(passed.get("img_size", configuration["input_size"][-1]))
    if configuration.get("fixed_input_size") and size != configuration["input_size"][-1]:
        passed["img_size"] = size
    featurizer = _featurizer(name, passed)
    mean, std = NORMALISATIONS.get(name, (configuration["mean"], configuration["std"]))
    return Architecture(
        name=name,
        arguments=passed,
        input_size=size,
        mean=mean,
        std=std,
        padding="same" if any(isinstance(module, Conv2dSame) for module in featurizer.modules()) else "symmetric",
        width=_width(name, featurizer, size),
        featurizer=_tensors(name, featurizer),
    )


def save_part(arrays: Mapping[str, Array], folder: Path) -> tuple[str, Path]:
    """Write a part as `<digest>.safetensors`; returns digest and path. What is there already is not written again."""
    data = canonical.encode(arrays)
    digest = sha256(data)
    path = folder / f"{digest}.safetensors"
    if not path.exists():
        write_whole(path, [data])
    return digest, path


def refuse_not_finite(arrays: Mapping[str, Array], what: str) -> None:
    """Refuse weights with NaN or infinite values, naming the first such tensor."""
    for name, array in arrays.items():
        if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            raise Refusal(f"{what} cannot be used: tensor {name} holds NaN or infinite values", code="weights-unusable")


def timm_record(name: str) -> dict[str, Any]:
    """timm's own record of a known name: input size, normalisation."""
    base, _, tag = name.partition(".")
    known = timm.list_models()
    if base not in known or (tag and name not in timm.list_models(base, pretrained=True, include_tags=True)):
        near = difflib.get_close_matches(base, known, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`timm.list_models()` lists what it knows"
        raise Refusal(f"timm {timm.__version__} knows no network {name[:80]!r}; {hint}", code="network-unknown")
    configuration = timm.get_pretrained_cfg(name) or timm.models.PretrainedCfg(input_size=(3, 224, 224))
    return dict(configuration.to_dict())  # type: ignore[no-untyped-call]


def _featurizer(name: str, arguments: Mapping[str, bool | int | float | str]) -> nn.Module:
    timm_record(name)
    for argument in arguments:
        if argument not in ARGUMENTS:
            raise Refusal(
                f"{name}: argument {argument!r} is not accepted; use {', '.join(ARGUMENTS)}", code="network-unknown"
            )
    try:
        with torch.random.fork_rng(devices=()):  # drawing initial weights must not change the caller's random state
            passed: dict[str, Any] = dict(arguments)
            featurizer: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **passed)
    except Exception as error:  # timm's networks fail on unsuitable arguments in many ways
        raise Refusal(
            f"timm cannot build {name} with {dict(arguments)}: {_first_line(error)}", code="network-unknown"
        ) from error
    return featurizer


def _tensors(name: str, featurizer: nn.Module) -> tuple[Described, ...]:
    trained = {key for key, _ in featurizer.named_parameters(remove_duplicate=False)}
    result = []
    for key, tensor in featurizer.state_dict().items():
        if tensor.dtype not in DTYPES:
            raise Refusal(f"{name} cannot be used: its tensor {key} is {tensor.dtype}; only float32 and int64 are kept")
        result.append(
            Described(name=key, dtype=DTYPES[tensor.dtype], shape=tuple(tensor.shape), buffer=key not in trained)
        )
    return tuple(result)


def _width(name: str, featurizer: nn.Module, size: int) -> int:
    """d, from a dry forward pass of two images (timm's `num_features` can differ from it)."""
    featurizer.eval()
    try:
        with torch.no_grad():
            features = featurizer(torch.zeros(2, 3, size, size))
    except Exception as error:  # whatever a network raises on an image size that does not suit it
        raise Refusal(
            f"{name} cannot work on {size} × {size} pixels: {_first_line(error)}", code="image-size", size=size
        ) from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2 or features.dtype != torch.float32:
        shape = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise Refusal(f"{name} cannot be used: for two images it gives {shape} instead of features [2, d]")
    return features.shape[1]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
