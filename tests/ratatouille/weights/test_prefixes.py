"""Prefixes of training code: known ones come off, others are named, and no copy is chosen silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ratatouille.errors import Refusal
from ratatouille.weights import canonical
from ratatouille.weights.canonical import Array
from ratatouille.weights.container import Container, find_prefix, is_known, take_off
from ratatouille.weights.whole import take_apart
from tests.ratatouille.weights.test_whole import FC, NETWORK, featurizer, head

WHOLE = featurizer() | FC


def box(folder: Path, arrays: dict[str, Array]) -> Container:
    save_file(arrays, folder / "x.safetensors")
    return Container(folder / "x.safetensors")


def under(prefix: str, arrays: dict[str, Array] = WHOLE) -> dict[str, Array]:
    return {f"{prefix}{name}": array for name, array in arrays.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "model.",
        "net.",
        "state_dict.",
        "timm_model.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "state_dict.model.net.",
        "module.module.",
    ],
)
def test_known_prefixes_and_their_combinations_come_off(tmp_path: Path, prefix: str) -> None:
    container, found = take_off(box(tmp_path, under(prefix)), NETWORK)
    assert found == prefix
    whole = take_apart(container, NETWORK)
    assert whole.digests() == (canonical.digest(featurizer()), canonical.digest(head()))


@pytest.mark.parametrize("prefix", ["ema.", "backbone.", "module.ema.", "models.", "mymodel."])
def test_another_prefix_is_named(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(Refusal, match=f"the names in 'x.safetensors' begin with '{prefix}', which is not a prefix"):
        take_off(box(tmp_path, under(prefix)), NETWORK)


def test_a_file_with_two_copies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"holds the network more than once, under 'ema\.' and 'model\.'; keep one"):
        take_off(box(tmp_path, under("model.") | under("ema.")), NETWORK)


def test_a_tensor_that_is_there_twice_after_taking_off_is_refused(tmp_path: Path) -> None:
    arrays = under("module.") | {"fc.bias": FC["fc.bias"]}
    with pytest.raises(Refusal, match=r"holds 'fc\.bias' with and without 'module\.' before it"):
        take_off(box(tmp_path, arrays), NETWORK)


@pytest.mark.parametrize("extra", ["n_averaged", "step", "ema.decay"])
def test_a_key_beside_the_prefix_is_named_itself(tmp_path: Path, extra: str) -> None:
    container, prefix = take_off(box(tmp_path, under("module.") | {extra: np.array(3, np.int64)}), NETWORK)
    assert prefix == "module."
    with pytest.raises(Refusal, match=f"there is {extra}; take it out of the file"):
        take_apart(container, NETWORK)


@pytest.mark.parametrize("lost", ["conv.weight", "zero.bias"])
def test_a_tensor_that_is_missing_behind_a_prefix_is_named_without_it(tmp_path: Path, lost: str) -> None:
    arrays = under("module.")
    del arrays[f"module.{lost}"]
    container, _ = take_off(box(tmp_path, arrays), NETWORK)
    with pytest.raises(Refusal, match=f"tensor {lost} is missing"):
        take_apart(container, NETWORK)


def test_names_that_are_the_networks_own_stay_though_copies_lie_beside_them(tmp_path: Path) -> None:
    assert take_off(box(tmp_path, WHOLE | under("module.")), NETWORK)[1] == ""


def test_a_network_whose_own_names_look_like_a_prefix_keeps_them() -> None:
    assert find_prefix(["model.conv.weight", "model.bn.bias"], ["model.conv.weight", "model.bn.bias"], "it") == ""


def test_known_prefixes_are_whole_words() -> None:
    assert [is_known(one) for one in ("", "module.net.", "module.x.", "xmodule.", "model")] == [
        True,
        True,
        False,
        False,
        False,
    ]
