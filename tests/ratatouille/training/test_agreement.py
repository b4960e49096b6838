"""A checkpoint's own network and ours are tried side by side: the same answers pass, others are refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratatouille.errors import Refusal
from ratatouille.training.agreement import example_images, is_known, refuse_disagreement
from ratatouille.training.export import export
from ratatouille.training.network import build, describe
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import Array
from ratatouille.weights.configuration import Configuration, read_configuration
from ratatouille.weights.container import Container
from ratatouille.weights.whole import Whole, put_together, take_apart

CLASSES = ("beet", "corn", "dill")

NAMES = ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "dla46_c"]


def trained(architecture: Architecture) -> tuple[dict[str, Array], dict[str, Array]]:
    """Featurizer and head with first weights, which answer with numbers that differ."""
    torch.manual_seed(0)
    network = build(architecture, len(CLASSES))
    return network.dump("featurizer"), network.dump("head")


def checkpoint(folder: Path, architecture: Architecture, size: int) -> tuple[Whole, Configuration]:
    """A checkpoint as `pull` writes it."""
    body, top = trained(architecture)
    exported = export(architecture, size, CLASSES, body, top)
    path = folder / "model.safetensors"
    path.write_bytes(b"".join(put_together(architecture, body, exported.classifier, top)))
    return take_apart(Container(path), architecture), read_configuration(exported.config)


def with_arguments(said: Configuration, **arguments: Any) -> Configuration:
    return dataclasses.replace(said, arguments={**(said.arguments or {}), **arguments})


def with_images(said: Configuration, **images: Any) -> Configuration:
    return dataclasses.replace(said, images={**(said.images or {}), **images})


@pytest.mark.parametrize("name", NAMES)
def test_what_pull_wrote_agrees_on_noise_and_on_example_images(tmp_path: Path, name: str) -> None:
    whole, said = checkpoint(tmp_path, describe(name, input_size=64), 64)
    assert refuse_disagreement(whole, said, 64) == len(example_images()) == 4


def test_a_featurizer_alone_and_a_checkpoint_without_a_configuration_are_compared_too(tmp_path: Path) -> None:
    architecture = describe("test_resnet", input_size=64)
    whole, _ = checkpoint(tmp_path, architecture, 64)
    assert refuse_disagreement(whole, Configuration(), 64) == 0
    body, _ = trained(architecture)
    (tmp_path / "alone.safetensors").write_bytes(b"".join(put_together(architecture, body)))
    alone = take_apart(Container(tmp_path / "alone.safetensors"), architecture)
    assert refuse_disagreement(alone, Configuration(), 64) == 0


@pytest.mark.parametrize("arguments", [{"act_layer": "gelu"}, {"global_pool": "max"}, {"output_stride": 8}])
def test_a_network_of_another_function_with_the_same_shapes_is_refused(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    whole, said = checkpoint(tmp_path, describe("test_resnet", input_size=64), 64)
    with pytest.raises(Refusal, match="answers otherwise than the federation's on noise"):
        refuse_disagreement(whole, with_arguments(said, **arguments), 64)


@pytest.mark.parametrize(
    "images",
    [
        {"interpolation": "bilinear"},
        {"crop_mode": "center", "crop_pct": 0.875},
        {"crop_mode": "center"},
        {"mean": [0.485, 0.456, 0.406]},
    ],
)
def test_images_that_are_made_otherwise_are_refused(tmp_path: Path, images: dict[str, Any]) -> None:
    whole, said = checkpoint(tmp_path, describe("test_resnet", input_size=64), 64)
    with pytest.raises(Refusal, match="makes another input of example images"):
        refuse_disagreement(whole, with_images(said, **images), 64)


def test_a_normalisation_that_is_only_rounded_otherwise_agrees(tmp_path: Path) -> None:
    whole, said = checkpoint(tmp_path, describe("tf_efficientnet_lite0", input_size=64), 64)
    assert refuse_disagreement(whole, with_images(said, mean=[0.498] * 3, std=[0.502] * 3), 64) == 4


def test_arguments_that_timm_does_not_take_and_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    whole, said = checkpoint(tmp_path, describe("test_resnet", input_size=64), 64)
    with pytest.raises(Refusal, match="cannot build the checkpoint's network test_resnet with its weights"):
        refuse_disagreement(whole, with_arguments(said, nothing_like_this=1), 64)
    with pytest.raises(Refusal, match="cannot build the checkpoint's network test_resnet with its weights"):
        refuse_disagreement(whole, with_arguments(said, in_chans=1), 64)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    architecture = describe("test_resnet", input_size=64)
    body, _ = trained(architecture)
    body["bn1.weight"] = np.full_like(body["bn1.weight"], np.nan)
    (tmp_path / "x.safetensors").write_bytes(b"".join(put_together(architecture, body)))
    with pytest.raises(Refusal, match=r"'x\.safetensors' cannot be used: tensor bn1\.weight holds NaN"):
        refuse_disagreement(take_apart(Container(tmp_path / "x.safetensors"), architecture), Configuration(), 64)


def test_names_are_known_with_and_without_their_tags() -> None:
    assert [is_known(one) for one in ("test_resnet", "resnet50.a1_in1k", "tiny")] == [True, True, False]
