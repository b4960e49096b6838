"""A version in timm's own form answers as ours does, to the bit, and is read by what reads timm's folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from timm.models._hub import save_config_for_hf
from torch import nn

from ratatouille.errors import Refusal
from ratatouille.tasks.images import from_image
from ratatouille.training import numerics
from ratatouille.training.augment import Transform
from ratatouille.training.export import Exported, arguments, export
from ratatouille.training.foundation import load_foundation
from ratatouille.training.network import Network, build, describe
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import Array
from ratatouille.weights.whole import put_together

CLASSES = ("beet", "corn", "dill")
Arrays = dict[str, Array]


@pytest.fixture(autouse=True, scope="module")
def profile() -> None:
    """One thread: the bits are then those of nodes, and a busy machine does not slow it down."""
    numerics.apply()


def trained(architecture: Architecture, classes: int = 3) -> tuple[Network, Arrays, Arrays]:
    """Our network with some weights, and its parts."""
    torch.manual_seed(0)
    network = build(architecture, classes).eval()
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):  # or forgetting one would not show
                buffer.uniform_(0.5, 1.5)
    return network, network.dump("featurizer"), network.dump("head")


def lay_down(folder: Path, exported: Exported, architecture: Architecture, body: Arrays, top: Arrays | None) -> str:
    """Write what `pull` writes for timm; returns timm's name of the folder."""
    weights = b"".join(put_together(architecture, body, exported.classifier, top))
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text(json.dumps(exported.config))
    return f"local-dir:{folder}"


def logits(network: nn.Module, size: int) -> torch.Tensor:
    noise = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found: torch.Tensor = network.eval().to(memory_format=torch.channels_last)(noise)
    return found


NETWORKS = [
    ("test_resnet", 32, "fc"),
    ("test_vit", 32, "head"),
    ("test_efficientnet", 32, "classifier"),
    ("test_convnext", 64, "head.fc"),
    ("tf_efficientnet_lite0", 64, "classifier"),
    ("efficientnet_lite0", 64, "classifier"),
    ("test_resnet.r160_in1k", 32, "fc"),
]


@pytest.mark.parametrize(("name", "size", "classifier"), NETWORKS)
def test_timm_loads_the_folder_and_answers_to_the_bit(tmp_path: Path, name: str, size: int, classifier: str) -> None:
    architecture = describe(name, input_size=size)
    ours, body, top = trained(architecture)
    exported = export(architecture, size, CLASSES, body, top)
    assert exported.classifier is not None
    assert exported.classifier.name == classifier
    theirs: Any = timm.create_model(lay_down(tmp_path, exported, architecture, body, top), pretrained=True)
    wanted = logits(ours, size)
    assert torch.equal(logits(theirs, size), wanted)
    assert torch.equal(logits(exported.network, size), wanted)
    assert theirs.pretrained_cfg["label_names"] == list(CLASSES)


def test_a_classifier_that_timm_has_as_a_convolution_gets_its_shape(tmp_path: Path) -> None:
    architecture = describe("dla46_c", input_size=64)
    ours, body, top = trained(architecture)
    exported = export(architecture, 64, CLASSES, body, top)
    assert exported.classifier is not None
    assert exported.classifier.convolution
    theirs: Any = timm.create_model(lay_down(tmp_path, exported, architecture, body, top), pretrained=True)
    torch.testing.assert_close(logits(theirs, 64), logits(ours, 64))  # it adds up in another order


def test_the_real_weights_of_efficientnet_lite0_answer_to_the_bit(tmp_path: Path) -> None:
    found = load_foundation("efficientnet-lite0", input_size=64)
    body = dict(found.featurizer)
    _, _, top = trained(found.architecture)
    ours = build(found.architecture, 3).load("featurizer", body).load("head", top)
    exported = export(found.architecture, 64, CLASSES, body, top)
    theirs: Any = timm.create_model(lay_down(tmp_path, exported, found.architecture, body, top), pretrained=True)
    assert torch.equal(logits(theirs, 64), logits(ours, 64))
    assert theirs.pretrained_cfg["mean"] == pytest.approx([127 / 255] * 3)


@pytest.mark.parametrize(("name", "size", "classifier"), [*NETWORKS, ("test_vit", 160, "head")])
def test_the_layout_is_what_hugging_faces_wrapper_of_timm_reads(
    tmp_path: Path, name: str, size: int, classifier: str
) -> None:
    # TimmWrapperForImageClassification builds from `architecture`, `num_classes` and `model_args` alone, without timm's
    # configuration; loads the file strictly; asks it for `format: pt`; and takes ids from `label_names`.
    architecture = describe(name, input_size=size)
    ours, body, top = trained(architecture)
    lay_down(tmp_path, export(architecture, size, CLASSES, body, top), architecture, body, top)
    config = json.loads((tmp_path / "config.json").read_text())
    theirs = timm.create_model(
        config["architecture"], pretrained=False, num_classes=config["num_classes"], **config.get("model_args", {})
    )
    theirs.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    assert torch.equal(logits(theirs, size), logits(ours, size))
    assert dict(enumerate(config["label_names"])) == {0: "beet", 1: "corn", 2: "dill"}
    assert "pretrained_cfg" in config  # by which transformers knows a config of timm


@pytest.mark.parametrize(("name", "size", "classifier"), NETWORKS)
def test_the_config_says_what_timms_own_export_says(tmp_path: Path, name: str, size: int, classifier: str) -> None:
    architecture = describe(name, input_size=size)
    _, body, top = trained(architecture)
    exported = export(architecture, size, CLASSES, body, top)
    images = {"input_size": (3, size, size), "crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bicubic"}
    images |= {"mean": architecture.mean, "std": architecture.std}
    save_config_for_hf(exported.network, str(tmp_path / "c"), {"label_names": list(CLASSES)}, data_config=images)
    theirs = json.loads((tmp_path / "c").read_text())
    ours = json.loads(json.dumps(exported.config))
    for key in ("architecture", "num_classes", "num_features", "label_names"):
        assert ours[key] == theirs[key]
    for key in ("first_conv", "classifier", "num_classes", "mean", "std", "input_size", "crop_pct", "crop_mode"):
        assert ours["pretrained_cfg"][key] == theirs["pretrained_cfg"][key], key


def test_timm_makes_a_networks_input_as_nodes_make_it(tmp_path: Path) -> None:
    architecture = describe("tf_efficientnet_lite0", input_size=64)
    _, body, top = trained(architecture)
    exported = export(architecture, 64, CLASSES, body, top)
    model = timm.create_model(lay_down(tmp_path, exported, architecture, body, top), pretrained=True)
    data: Any = timm.data
    transform = data.create_transform(**data.resolve_model_data_config(model))
    pixels = np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    ours = Transform(architecture, torch.device("cpu")).plain(from_image(image, 64)[None])[0]
    assert torch.equal(transform(image), ours)


def test_a_featurizer_alone_has_no_classes_and_takes_a_classifier_later(tmp_path: Path) -> None:
    architecture = describe("test_resnet", input_size=32)
    ours, body, _ = trained(architecture)
    exported = export(architecture, 32, (), body, None)
    folder = lay_down(tmp_path, exported, architecture, body, None)
    assert (exported.classifier, exported.config["num_classes"]) == (None, 0)
    assert torch.equal(logits(timm.create_model(folder, pretrained=True), 32), logits(ours.featurizer, 32))
    assert logits(timm.create_model(folder, pretrained=True, num_classes=7), 32).shape == (3, 7)


def test_a_network_that_works_on_other_images_than_it_was_trained_on_says_the_size_of_the_training() -> None:
    architecture = describe("test_resnet", input_size=32)
    _, body, top = trained(architecture)
    assert export(architecture, 48, CLASSES, body, top).config["pretrained_cfg"]["input_size"] == [3, 48, 48]


def test_a_networks_fixed_size_is_an_argument_unless_it_is_dynamic() -> None:
    assert arguments(describe("vit_tiny_patch16_224")) == {"img_size": 224}
    assert arguments(describe("vit_tiny_patch16_224", {"dynamic_img_size": True})) == {"dynamic_img_size": True}


def test_a_network_that_timm_ends_with_two_heads_is_refused_by_name() -> None:
    architecture = describe("deit_tiny_distilled_patch16_224")
    _, body, top = trained(architecture)
    with pytest.raises(Refusal, match=r"does not end deit_tiny_distilled.*head_dist"):
        export(architecture, 224, CLASSES, body, top)


def test_a_network_that_answers_otherwise_than_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = describe("test_resnet", input_size=32)
    _, body, top = trained(architecture)
    create = timm.create_model

    def scaled(name: str, **options: Any) -> nn.Module:
        network: nn.Module = create(name, **options)
        network.register_forward_hook(lambda _, __, output: output * (1 + options["num_classes"] / 100))
        return network

    monkeypatch.setattr(timm, "create_model", scaled)
    with pytest.raises(Refusal, match="does more behind its features than one linear layer"):
        export(architecture, 32, CLASSES, body, top)
