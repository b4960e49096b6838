"""A network as timm has it: its own classifier in place of our head, and the `config.json` that timm reads.

Our network is timm's featurizer and one linear layer, so timm's own network must give the same answers; it is tried on
noise before it is handed on. Networks that timm ends otherwise (two heads, BatchNorm behind) are refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import nn

from ratatouille.errors import Refusal
from ratatouille.training.network import build, timm_record
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import Array
from ratatouille.weights.whole import Classifier

TOLERANCE = 1e-4
"""Largest difference of logits, as a share of the largest logit: sums in another order differ by some 1e-6."""


@dataclass(frozen=True)
class Exported:
    """timm's network with a version's weights, in eval mode; where timm has the head; and its config.json."""

    network: nn.Module
    classifier: Classifier | None
    config: dict[str, Any]


def export(
    architecture: Architecture,
    image_size: int,
    classes: Sequence[str],
    featurizer: Mapping[str, Array],
    head: Mapping[str, Array] | None,
) -> Exported:
    """timm's network of a version.

    Args:
        architecture: the version's.
        image_size: pixels of a side that it works on.
        classes: names of the head's outputs; empty for a featurizer alone.
        featurizer: its arrays.
        head: `weight` and `bias`, or None.

    Raises:
        Refusal: when this timm builds another network, or ends it with something else than one linear layer.
    """
    ours = build(architecture, max(len(classes), 1), image_size=image_size).load("featurizer", featurizer).eval()
    if head is None:
        return Exported(ours.featurizer, None, _config(architecture, image_size, (), ours.featurizer))
    ours.load("head", head)
    network = _built(architecture, len(classes))
    classifier = _classifier(architecture, network, len(classes))
    state = {name: torch.from_numpy(array) for name, array in classifier.wrap(ours.dump("head")).items()}
    network.load_state_dict({**ours.featurizer.state_dict(), **state})
    network.to(memory_format=torch.channels_last).eval()  # as ours: the same order of sums, the same bits
    _compare(architecture, ours, network, image_size)
    return Exported(network, classifier, _config(architecture, image_size, classes, network))


def arguments(architecture: Architecture) -> dict[str, Any]:
    """What `timm.create_model` takes beside the name without its tag; a fixed input size is said, tag or no tag."""
    size = {"img_size": architecture.input_size} if _is_fixed(architecture) else {}
    return size | architecture.arguments


def _is_fixed(architecture: Architecture) -> bool:
    """Whether the network works on one size of images only."""
    fixed = timm_record(architecture.name).get("fixed_input_size", False)
    return bool(fixed) and not architecture.arguments.get("dynamic_img_size")


def _built(architecture: Architecture, classes: int) -> nn.Module:
    name = architecture.name.partition(".")[0]
    with torch.random.fork_rng(devices=()):  # drawing initial weights must not change the caller's random state
        network: nn.Module = timm.create_model(name, num_classes=classes, **arguments(architecture))
    return network


def _classifier(architecture: Architecture, network: nn.Module, classes: int) -> Classifier:
    """Where timm has its classifier: the tensors that the featurizer lacks."""
    known = {tensor.name: tensor.shape for tensor in architecture.featurizer}
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    rest = sorted(name for name in shapes if name not in known)
    name = rest[-1].rpartition(".")[0] if rest else ""
    weight = shapes.get(f"{name}.weight", ())
    if (
        rest != [f"{name}.bias", f"{name}.weight"]
        or weight not in ((classes, architecture.width), (classes, architecture.width, 1, 1))
        or any(shapes.get(one) != shape for one, shape in known.items())
    ):
        raise Refusal(
            f"timm does not end {architecture.name} with one linear layer (it has {', '.join(rest)[:200] or 'none'}), "
            "so it has no place for this head"
        )
    return Classifier(name=name, convolution=len(weight) == 4)


def _compare(architecture: Architecture, ours: nn.Module, network: nn.Module, size: int) -> None:
    """Refuse a network of timm's that answers otherwise than ours."""
    noise = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, found = ours(noise), network(noise)
    if wanted.shape != found.shape or not (wanted - found).abs().max() <= TOLERANCE * wanted.abs().max():
        raise Refusal(
            f"timm's own {architecture.name} does more behind its features than one linear layer, so it answers "
            "otherwise than this version"
        )


def _config(architecture: Architecture, size: int, classes: Sequence[str], network: nn.Module) -> dict[str, Any]:
    """What timm's `local-dir:` and `hf-hub:` read, and Hugging Face's wrapper of timm; images as ours are made."""
    known = timm_record(architecture.name)
    name, _, tag = architecture.name.partition(".")
    pretrained = {
        "custom_load": False,
        "input_size": [3, size, size],
        "fixed_input_size": _is_fixed(architecture),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "mean": list(architecture.mean),
        "std": list(architecture.std),
        "num_classes": len(classes),
        "pool_size": None,
        "first_conv": known.get("first_conv"),
        "classifier": known.get("classifier"),
    }
    config = {
        "architecture": name,
        "num_classes": len(classes),
        "num_features": getattr(network, "num_features", architecture.width),
        "pretrained_cfg": pretrained | ({"tag": tag} if tag else {}),
    }
    if passed := arguments(architecture):
        config["model_args"] = passed
    if classes:
        config["label_names"] = list(classes)
    return config
