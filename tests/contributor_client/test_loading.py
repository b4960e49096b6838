"""`ratatouille.load`: what Python gets is what the registry has, and counts as `evaluate` counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ratatouille
from ratatouille.errors import Refusal
from ratatouille.training import numerics
from tests.contributor_client.pantry import Pantry
from tests.ratatouille.cli.call import call, modules_after
from tests.ratatouille.cli.call import home as home


@pytest.fixture(autouse=True)
def _profile() -> None:
    numerics.apply()


def test_its_predictions_make_the_confusion_matrix_of_evaluate(pantry: Pantry) -> None:
    (wanted,) = pantry.ask("evaluate", "average", "--data", pantry.images, "--json").json["versions"]
    loaded = ratatouille.load("average", remote=str(pantry.registry.folder))
    assert loaded.classes == tuple(wanted["classes"])
    confusion = np.zeros((len(loaded.classes),) * 2, int)
    files = sorted(pantry.images.rglob("*.png"))
    for file, seen in zip(files, loaded.predict(files), strict=True):
        confusion[loaded.classes.index(file.parent.name), loaded.classes.index(seen.name)] += 1
    assert confusion.tolist() == wanted["confusion"]


def test_a_pulled_folder_of_either_layout_loads_alike(pantry: Pantry, tmp_path: Path) -> None:
    remote = str(pantry.registry.folder)
    assert call("pull", "first", tmp_path / "whole", "--remote", remote).code == 0
    assert call("pull", "first", tmp_path / "parts", "--parts", "--remote", remote).code == 0
    files = sorted(pantry.images.rglob("*.png"))[:5]
    wanted = ratatouille.load("first", remote)
    for found in (ratatouille.load(tmp_path / "whole"), ratatouille.load(f"{tmp_path}/parts")):
        assert (found.classes, found.version) == (wanted.classes, wanted.version)
        assert torch.equal(found.logits(files), wanted.logits(files))


def test_a_version_without_a_head_gives_features(pantry: Pantry, tmp_path: Path) -> None:
    remote = str(pantry.registry.folder)
    assert call("pull", "foundation", tmp_path / "base", "--remote", remote).code == 0
    for found in (ratatouille.load("foundation", remote), ratatouille.load(tmp_path / "base")):
        assert found.classes == ()
        assert found.logits(sorted(pantry.images.rglob("*.png"))[:2]).shape == (2, 96)


def test_a_folder_whose_weights_were_changed_is_not_loaded(pantry: Pantry, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    assert call("pull", "first", folder, "--remote", pantry.registry.folder).code == 0
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(Refusal, match=r"the featurizer hashes to .*; pull the version again"):
        ratatouille.load(folder)


def test_unknown_versions_and_folders_are_refused(pantry: Pantry, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no alias or tag 'winter'"):
        ratatouille.load("winter", str(pantry.registry.folder))
    with pytest.raises(Refusal, match="was not written by `ratatouille pull`"):
        ratatouille.load(tmp_path)


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import ratatouille; ratatouille.load")
    assert not loaded & {"torch", "timm", "numpy", "PIL", "pydantic", "grpc", "sqlalchemy", "registry"}
