"""A foundation from a file: what its config.json says of the network must be what it is entered as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from contributor_client.commands.foundation import enter_foundation
from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.training.foundation import untrained
from registry.opening import open_registry
from registry.records import Result
from tests.ratatouille.cli.call import call

RIGHT = {
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
    "interpolation": "bilinear",
    "crop_pct": 0.95,
    "input_size": [3, 160, 160],
}


def enter(folder: Path, config: dict[str, Any]) -> Result:
    save_file(dict(untrained("test_resnet").featurizer), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "parts").mkdir()
    registry = open_registry(folder / "registry")
    try:
        source = str(folder / "model.safetensors")
        return enter_foundation(registry, Signer.open(folder / "key"), folder / "parts", source, "test_resnet")
    finally:
        registry.close()


def test_a_foundation_may_have_been_trained_on_images_of_another_size_and_crop(tmp_path: Path) -> None:
    assert enter(tmp_path, {"architecture": "test_resnet", "pretrained_cfg": RIGHT, "num_classes": 1000}).version


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"architecture": "test_vit"}, "is of test_vit"),
        ({"architecture": "test_resnet", "model_args": {"act_layer": "gelu"}}, "the argument act_layer = gelu"),
        ({"architecture": "test_resnet", "pretrained_cfg": {"mean": [0.1] * 3}}, r"mean is \[0\.1, 0\.1, 0\.1\], not"),
        ({"architecture": "test_resnet", "slope": 1}, "the key 'slope', which is not understood"),
    ],
)
def test_a_foundation_of_another_function_is_refused(tmp_path: Path, config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        enter(tmp_path, config)


def test_a_foundation_moves_only_the_alias_that_is_named_and_says_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    words = ["--architecture", "test_resnet", "--remote", tmp_path / "registry"]
    for number in (1, 2):
        save_file(
            {name: np.asarray(tensor + number) for name, tensor in untrained("test_resnet").featurizer.items()},
            tmp_path / f"{number}.safetensors",
        )
    said = call("foundation", tmp_path / "1.safetensors", *words).out
    assert "rounds start from it after `ratatouille release" in said
    registry = open_registry(tmp_path / "registry")
    assert registry.releases.aliases() == {}
    assert "latest: nothing →" in call("foundation", tmp_path / "1.safetensors", *words, "--as", "latest").out
    moved = call("foundation", tmp_path / "2.safetensors", *words, "--as", "latest").out
    assert moved.endswith("`ratatouille release --undo --as latest` takes it back\n")
    assert registry.releases.aliases().keys() == {"latest"}
    registry.close()
