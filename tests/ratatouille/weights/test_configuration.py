"""Configurations of checkpoints are read as timm reads them, and what nobody understands is refused by name."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import timm
from timm.data.config import resolve_model_data_config
from timm.models import PretrainedCfg
from timm.models._hub import _parse_model_cfg, save_config_for_hf

from ratatouille.errors import Refusal
from ratatouille.weights.configuration import DEFAULTS, IN_PRETRAINED, Configuration, read_configuration

CONFIG_2019 = {
    "num_classes": 3,
    "input_size": [3, 64, 64],
    "pool_size": [7, 7],
    "crop_pct": 0.9,
    "interpolation": "bicubic",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "first_conv": "conv1",
    "classifier": "fc",
    "architecture": "resnet18",
    "num_features": 512,
    "labels": ["beet", "corn", "dill"],
}
"""As timm 0.4 and 0.5 saved it."""
WRAPPED = {
    "architecture": "resnet18",
    "architectures": ["TimmWrapperForImageClassification"],
    "do_pooling": True,
    "global_pool": "avg",
    "initializer_range": 0.02,
    "label_names": ["beet", "corn", "dill"],
    "model_type": "timm_wrapper",
    "num_classes": 3,
    "num_features": 512,
    "pretrained_cfg": {"input_size": [3, 64, 64], "mean": [0.5] * 3, "license": "apache-2.0"},
    "torch_dtype": "float32",
    "transformers_version": "4.48.0",
}


def test_defaults_are_those_of_timm_and_all_its_keys_are_known() -> None:
    theirs = PretrainedCfg()
    assert {key: getattr(theirs, key) for key in DEFAULTS} == dict(DEFAULTS)
    assert {field.name for field in fields(PretrainedCfg)} - IN_PRETRAINED == {"state_dict"}


@pytest.mark.parametrize("document", [CONFIG_2019, WRAPPED])
def test_images_and_names_are_what_timm_reads(document: dict[str, Any]) -> None:
    said = read_configuration(document)
    theirs, name, arguments = _parse_model_cfg(deepcopy(document), {})
    known = PretrainedCfg(**{key: theirs[key] for key in theirs if key in {one.name for one in fields(PretrainedCfg)}})
    assert (said.architecture, dict(said.arguments or {})) == (name, arguments)
    assert said.names == tuple(theirs["label_names"])
    assert said.classes == theirs["num_classes"]
    assert said.images == {key: getattr(known, key) for key in DEFAULTS}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_what_timm_saves_today_is_understood(tmp_path: Path, name: str) -> None:
    network = timm.create_model(name, num_classes=3)
    save_config_for_hf(network, str(tmp_path / "c"), {"label_names": ["a", "b", "c"]})
    document = json.loads((tmp_path / "c").read_text())
    said = read_configuration(document)
    data = resolve_model_data_config(network)  # type: ignore[no-untyped-call]
    assert (said.architecture, said.classes, said.names) == (name, 3, ("a", "b", "c"))
    assert {key: said.images[key] for key in said.images or {}} == json.loads(json.dumps(data))  # type: ignore[index]


def test_the_size_of_a_network_with_a_fixed_size_is_that_of_its_argument() -> None:
    document = {
        "architecture": "vit",
        "model_args": {"img_size": 96},
        "pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": True},
    }
    said = read_configuration(document)
    theirs, _, _ = _parse_model_cfg(deepcopy(document), {})
    assert said.images is not None
    assert said.images["input_size"] == theirs["input_size"] == (3, 96, 96)


def test_an_empty_configuration_says_nothing() -> None:
    assert read_configuration({}) == Configuration(recommended={})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"act_layer": "gelu"}, "the key 'act_layer', which is not understood"),
        ({"auto_map": {"AutoModel": "code.Network"}}, "the key 'auto_map', which is not understood"),
        ({"mean": [0.5] * 3}, "the key 'mean', which is not understood"),
        ({"pretrained_cfg": {"state_dict": {}}}, "the key 'state_dict' in pretrained_cfg"),
        ({"pretrained_cfg": {"label_offset": 1}}, "label_offset = 1, which cannot be used"),
        ({"pretrained_cfg": {"architecture": "resnet34"}}, r"names two networks \(resnet18, resnet34\)"),
        ({"pretrained_cfg": [1]}, "pretrained_cfg = .*write an object"),
        ({"model_args": "act_layer"}, "model_args = act_layer, which cannot be used"),
        ({"model_type": "vit"}, "model_type = vit, which cannot be used; only timm_wrapper"),
        ({"do_pooling": False}, "do_pooling = False"),
        ({"problem_type": "multi_label_classification"}, "problem_type = multi_label_classification"),
        ({"quantization_config": {}}, "the key 'quantization_config'"),
        ({"num_classes": "3"}, "num_classes = 3, which cannot be used; write the number"),
        ({"global_pool": ["avg"]}, "global_pool = .*write timm's name"),
        (
            {"id2label": {"0": "corn", "1": "beet", "2": "dill"}},
            "label_names and id2label .* not name the outputs in the",
        ),
    ],
)
def test_what_could_make_another_function_is_refused_by_name(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        read_configuration(WRAPPED | changes)
