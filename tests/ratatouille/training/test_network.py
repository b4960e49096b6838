"""Networks and the records that describe them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ratatouille.errors import Refusal
from ratatouille.training.network import build, describe
from ratatouille.weights import canonical


def test_a_resnet_is_described_with_its_buffers_and_its_width() -> None:
    architecture = describe("test_resnet", input_size=32)
    assert (architecture.width, architecture.input_size, architecture.padding) == (96, 32, "symmetric")
    buffers = {tensor.name for tensor in architecture.featurizer if tensor.buffer}
    assert {"bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"} <= buffers
    assert not any(name.endswith((".weight", ".bias")) for name in buffers)


def test_a_vision_transformer_is_built_for_the_wanted_size() -> None:
    architecture = describe("test_vit", input_size=32)
    assert architecture.arguments == {"img_size": 32}
    assert build(architecture, 3).eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_images_of_a_size_that_a_network_cannot_take_are_refused() -> None:
    with pytest.raises(Refusal, match="test_vit cannot work on 48 × 48 pixels"):
        build(describe("test_vit", {"dynamic_img_size": False}, input_size=32), 3, image_size=48)


def test_a_network_that_gives_no_features_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match=r"test_resnet cannot be used: for two images it gives \[2, 96, 1, 1\]"):
        describe("test_resnet", {"global_pool": ""}, input_size=32)


def test_an_unknown_name_is_refused_with_close_matches() -> None:
    with pytest.raises(Refusal, match=r"did you mean .*resnet50"):
        describe("resnet5O")


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/tmp", "resnet50.no_such_tag", ""])
def test_addresses_folders_and_unknown_tags_are_refused(name: str) -> None:
    with pytest.raises(Refusal, match="knows no network"):
        describe(name)


@pytest.mark.parametrize(
    "argument", ["checkpoint_path", "pretrained", "pretrained_cfg", "num_classes", "features_only"]
)
def test_a_record_from_a_stranger_cannot_name_files_or_change_the_outputs(argument: str) -> None:
    with pytest.raises(Refusal, match=f"argument '{argument}' is not accepted"):
        build(describe("test_resnet").model_copy(update={"arguments": {argument: "x"}}), 3)


def test_a_record_with_other_tensors_is_refused() -> None:
    architecture = describe("test_resnet")
    with pytest.raises(Refusal, match="with other tensors than"):
        build(architecture.model_copy(update={"featurizer": architecture.featurizer[1:]}), 3)


def test_batchnorm_stays_in_eval_mode_while_its_scale_and_shift_train() -> None:
    network = build(describe("test_resnet", input_size=32), 3)
    before = network.dump("featurizer")
    assert network.train() is network
    assert network.training
    assert network.dropout.training
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    after = network.dump("featurizer")
    assert all(np.array_equal(before[name], after[name]) for name in before)
    gradient = dict(network.named_parameters())["featurizer.bn1.weight"].grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_dumped_parts_are_canonical_and_load_back_to_the_same_outputs() -> None:
    architecture = describe("test_resnet", input_size=32)
    first, second = build(architecture, 3).eval(), build(architecture, 3).eval()
    for part in ("featurizer", "head"):
        arrays = first.dump(part)
        assert canonical.encode(arrays).startswith(canonical.header(architecture.part(part, 3)))
        second.load(part, arrays)
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(first(images), second(images))


def test_two_networks_that_differ_in_padding_only_have_different_records() -> None:
    same, symmetric = describe("tf_efficientnet_lite0"), describe("efficientnet_lite0")
    assert same.featurizer == symmetric.featurizer
    assert (same.padding, symmetric.padding) == ("same", "symmetric")
    assert same.digest != symmetric.digest


def test_efficientnet_lite_sees_pixels_minus_127_over_128() -> None:
    architecture = describe("tf_efficientnet_lite0")
    seen = (np.array([0, 127, 255]) / 255 - architecture.mean[0]) / architecture.std[0]
    np.testing.assert_allclose(seen, [-127 / 128, 0, 1], atol=1e-12)
