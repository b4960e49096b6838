"""A pulled folder is checked far from any registry: whatever was changed in it is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.weights import canonical
from ratatouille.weights.whole import METADATA, Classifier, put_together
from registry.exports.folders.pulled import Pulled, Statement, read_pulled
from registry.opening import open_registry
from tests.registry.world import NETWORK, PETS, World, featurizer, head

Layout = Literal["timm", "parts"]


@pytest.fixture
def small(tmp_path: Path) -> World:
    """A registry in a folder."""
    (tmp_path / "files").mkdir()
    world = World(open_registry(tmp_path / "registry"), tmp_path / "files", Signer.open(tmp_path / "key"))
    world.define()
    return world


def lay_down(world: World, layout: Layout) -> Path:
    """What `pull` writes of a training, without timm."""
    trained = world.tuned(world.probed(), 1)
    details = world.registry.versions.show(str(trained.version))
    folder = world.folder.parent / "pulled"
    folder.mkdir()
    statement = Statement(
        layout=layout,
        version=details.entry.version,
        architecture=NETWORK,
        task=PETS,
        receipt=world.registry.versions.receipt(details.entry.id),
        image_size=8,
        entered=1.0,
        pulled=2.0,
        registry="",
    )
    (folder / "ratatouille.json").write_bytes(statement.to_json())
    if layout == "parts":
        (folder / "featurizer.safetensors").write_bytes(canonical.encode(featurizer(1)))
        (folder / "head.safetensors").write_bytes(canonical.encode(head(1)))
        return folder
    file = put_together(NETWORK, featurizer(1), Classifier(name="fc"), head(1))
    (folder / "model.safetensors").write_bytes(b"".join(file))
    images = {"input_size": [3, 8, 8], "mean": [0.5] * 3, "std": [0.5] * 3}
    images |= {"crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bicubic"}
    config = {"architecture": "tiny", "label_names": list(PETS.classes), "pretrained_cfg": images}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(("layout", "checks"), [("timm", 4), ("parts", 3)])
def test_a_folder_that_nobody_changed_holds_what_it_says(small: World, layout: Layout, checks: int) -> None:
    pulled = read_pulled(lay_down(small, layout))
    found = pulled.verify()
    assert found.ok, found
    assert len(found.checks) == checks
    body, top = pulled.arrays()
    assert canonical.digest(body) == canonical.digest(featurizer(1))
    assert top is not None
    assert canonical.digest(top) == canonical.digest(head(1))


def edit(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Change a JSON file of the folder."""

    def edited(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        change(document)
        (folder / name).write_text(json.dumps(document))

    return edited


def other_weights(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    arrays["conv.weight"][0, 0, 0, 0] += np.float32(1e-6)
    save_file(arrays, folder / "model.safetensors", METADATA)


def no_classifier(folder: Path) -> None:
    arrays = {name: array for name, array in load_file(folder / "model.safetensors").items() if "fc." not in name}
    save_file(arrays, folder / "model.safetensors", METADATA)


def other_receipt(document: dict[str, Any]) -> None:
    document["receipt"]["body"] = document["receipt"]["body"].replace('"seconds":2.0', '"seconds":3.0')


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        (other_weights, "weights", "the featurizer hashes to"),
        (no_classifier, "weights", "the head hashes to nothing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "weights", "there is no file"),
        (lambda folder: (folder / "config.json").unlink(), "config", "cannot be read"),
        (edit("config.json", lambda one: one["label_names"].reverse()), "config", "label_names are others"),
        (
            edit("config.json", lambda one: one["pretrained_cfg"].update(mean=[0, 0, 0])),
            "config",
            "mean is [0, 0, 0], not",
        ),
        (
            edit("config.json", lambda one: one["pretrained_cfg"].update(crop_pct=0.9)),
            "config",
            "crop_pct is 0.9, not 1.0",
        ),
        (edit("config.json", lambda one: one.update(model_args={"act_layer": "gelu"})), "config", "argument act_layer"),
        (edit("config.json", lambda one: one.update(architecture="large")), "config", "architecture is large"),
        (edit("config.json", lambda one: one.update(slope=0.2)), "config", "the key 'slope', which is not understood"),
        (edit("config.json", lambda one: one["pretrained_cfg"].update(mean=[0.501] * 3)), "config", "mean is another"),
        (edit("config.json", lambda one: one.update(pretrained_cfg=None)), "config", "mean is another"),
        (edit("ratatouille.json", lambda one: one["task"]["classes"].reverse()), "definitions", "the task is another"),
        (
            edit("ratatouille.json", lambda one: one["architecture"].update(std=[1, 1, 1])),
            "definitions",
            "architecture",
        ),
        (edit("ratatouille.json", lambda one: one.update(receipt=None)), "receipt", "missing"),
        (edit("ratatouille.json", other_receipt), "receipt", "the signature of this receipt is not by key"),
    ],
)
def test_what_was_changed_is_found_and_named(
    small: World, change: Callable[[Path], None], check: str, detail: str
) -> None:
    folder = lay_down(small, "timm")
    change(folder)
    wrong = {one.what: one.detail for one in read_pulled(folder).verify().checks if one.verdict == "wrong"}
    assert detail in wrong[check]


def test_another_version_than_the_weights_are_of_changes_the_id(small: World) -> None:
    folder = lay_down(small, "parts")
    before = read_pulled(folder).verify()
    edit("ratatouille.json", lambda one: one["version"].update(parents=[]))(folder)
    after = read_pulled(folder).verify()
    assert after.id != before.id


@pytest.mark.parametrize("part", ["featurizer", "head"])
def test_parts_that_were_changed_are_neither_verified_nor_given(small: World, part: str) -> None:
    folder = lay_down(small, "parts")
    path = folder / f"{part}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    pulled = Pulled(folder, read_pulled(folder).statement)
    assert not pulled.verify().ok
    with pytest.raises(Refusal, match=f"the {part} hashes to .*; pull the version again"):
        pulled.arrays()
    path.unlink()
    assert not pulled.verify().ok


def test_folders_that_pull_did_not_write_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"was not written by `ratatouille pull`: it has no ratatouille\.json"):
        read_pulled(tmp_path)
    (tmp_path / "ratatouille.json").write_text('{"format": 2}')
    with pytest.raises(Refusal, match="this statement cannot be read: "):
        read_pulled(tmp_path)
    (tmp_path / "ratatouille.json").unlink()
    (tmp_path / "ratatouille.json").mkdir()
    with pytest.raises(Refusal, match="cannot be read: Is a directory"):
        read_pulled(tmp_path)
