"""What a configuration says is compared with the architecture, key by key."""

from __future__ import annotations

from typing import Any

import pytest

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Architecture, Tensor
from ratatouille.weights.compatibility import differences, refuse_another_function, refuse_another_network
from ratatouille.weights.configuration import Configuration, read_configuration

IMAGES = {
    "input_size": [3, 64, 64],
    "mean": [0.4981, 0.498, 0.498],
    "std": [0.502, 0.502, 0.502],
    "interpolation": "bicubic",
    "crop_mode": "squash",
    "crop_pct": 1.0,
}


def architecture(*tensors: str, **arguments: Any) -> Architecture:
    return Architecture(
        name="tiny.in1k",
        arguments=arguments,
        input_size=64,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        padding="same",
        width=3,
        featurizer=tuple(Tensor(name=name, shape=(3,)) for name in ("conv.weight", *tensors)),
    )


def found(said: dict[str, Any], ours: Architecture | None = None) -> list[str]:
    return list(differences(read_configuration({"architecture": "tiny", **said}), ours or architecture(), 64, 2))


@pytest.mark.parametrize(
    "said",
    [
        {},
        IMAGES,
        {"pretrained_cfg": IMAGES, "num_classes": 2, "label_names": ["a", "b"]},
        {"pretrained_cfg": {**IMAGES, "crop_pct": 1}},
        {"model_args": {"img_size": [64, 64], "in_chans": 3, "global_pool": "avg", "num_classes": 2}},
        {"model_args": {"img_size": 64, "drop_rate": 0.5, "act_layer": None}},
        {"url": "https://example.org/x", "license": "mit", "tags": ["a"], "paper_ids": "arXiv:1"},
    ],
)
def test_what_says_the_same_or_changes_nothing_passes(said: dict[str, Any]) -> None:
    assert found(said) == []


@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ({"model_args": {"act_layer": "gelu"}}, "its network has the argument act_layer = gelu"),
        ({"model_args": {"output_stride": 8}}, "its network has the argument output_stride = 8"),
        ({"model_args": {"in_chans": 1}}, "its network has in_chans = 1, not 3"),
        ({"model_args": {"in_chans": True}}, "its network has in_chans = True, not 3"),
        ({"model_args": {"img_size": [64, 32]}}, "its network has img_size = [64, 32], not 64"),
        ({"model_args": {"num_classes": 5}}, "its network has num_classes = 5, not 2"),
        ({"model_args": {"global_pool": "max"}}, "its network has global_pool = max"),
        ({"global_pool": "max"}, "global_pool is 'max'"),
        ({"num_classes": 5}, "num_classes is 5, not 2"),
        ({"label_names": ["a", "b", "c"]}, "it names 3 outputs, not 2"),
        ({**IMAGES, "mean": [0.485, 0.456, 0.406]}, "mean is [0.485, 0.456, 0.406], not [0.498, 0.498, 0.498]"),
        ({**IMAGES, "mean": 0.498}, "mean is 0.498, not [0.498, 0.498, 0.498]"),
        ({**IMAGES, "std": [0.5, 0.5]}, "std is [0.5, 0.5], not [0.502, 0.502, 0.502]"),
        ({**IMAGES, "std": ["a", "b", "c"]}, "std is ['a', 'b', 'c'], not [0.502, 0.502, 0.502]"),
        ({**IMAGES, "input_size": [3, 96, 96]}, "input_size is [3, 96, 96], not [3, 64, 64]"),
        ({**IMAGES, "input_size": [1, 64, 64]}, "input_size is [1, 64, 64], not [3, 64, 64]"),
        ({**IMAGES, "interpolation": "bilinear"}, "interpolation is bilinear, not bicubic"),
        ({**IMAGES, "crop_pct": 0.9}, "crop_pct is 0.9, not 1.0"),
        ({key: value for key, value in IMAGES.items() if key != "crop_mode"}, "crop_mode is center, not squash"),
    ],
)
def test_each_key_that_differs_is_named_with_both_values(said: dict[str, Any], differs: str) -> None:
    assert found(said) == [differs]


def test_arguments_of_the_architecture_must_be_there_with_the_same_values() -> None:
    ours = architecture(output_stride=8, drop_path_rate=0.1)
    assert found({"model_args": {"output_stride": 8}}, ours) == []
    assert found({"model_args": {"output_stride": 16}}, ours) == ["its network has output_stride = 16, not 8"]
    assert found({}, ours) == ["its network lacks the argument output_stride = 8"]
    assert list(differences(Configuration(), ours, 64, 2)) == []  # which says nothing of a network


@pytest.mark.parametrize(
    ("tensors", "arguments", "right", "wrong"),
    [
        ((), {}, "avg", "token"),
        (("cls_token",), {}, "token", "avg"),
        (("cls_token", "fc_norm.weight"), {}, "avg", "token"),
        (("attn_pool.q",), {}, "map", "avg"),
        ((), {"global_pool": "max"}, "max", "avg"),
    ],
)
def test_the_pooling_is_what_the_record_or_its_tensors_tell(
    tensors: tuple[str, ...], arguments: dict[str, Any], right: str, wrong: str
) -> None:
    ours = architecture(*tensors, **arguments)
    for said in ({"global_pool": right, "model_args": arguments}, {"model_args": {"global_pool": right}}):
        assert found(said, ours) == []
    for said in ({"global_pool": wrong, "model_args": arguments}, {"model_args": {"global_pool": wrong}}):
        assert len(found(said, ours)) == 1


def test_all_differences_are_in_one_refusal() -> None:
    said = read_configuration({"architecture": "tiny", "model_args": {"act_layer": "gelu"}, "global_pool": "max"})
    with pytest.raises(
        Refusal, match=r"describes another function .*: its network has .*; global_pool is 'max'; train"
    ):
        refuse_another_function(said, architecture(), 64, 2)


def test_another_network_is_refused_by_its_name_and_tags_do_not_matter() -> None:
    refuse_another_network(read_configuration({"architecture": "tiny.other"}), architecture())
    with pytest.raises(Refusal, match=r"is of large, and --from is of tiny\.in1k"):
        refuse_another_network(read_configuration({"architecture": "large"}), architecture())
