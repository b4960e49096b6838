"""Checkpoints that were trained elsewhere become versions, over every kind of registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Parent
from ratatouille.tasks.task import Task
from ratatouille.weights import canonical
from ratatouille.weights.canonical import Array
from registry.exports.folders.importing import Parts, push_parts, read_checkpoint
from registry.records import Result
from tests.registry.checkpoint import saved
from tests.registry.world import NETWORK, PETS, World, featurizer, head

IMAGES = {
    "input_size": [3, 8, 8],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "crop_mode": "squash",
    "crop_pct": 1.0,
}
"""As this federation makes images."""
FLAT: dict[str, Any] = {"architecture": "tiny", **IMAGES}
OURS: dict[str, Any] = {"architecture": "tiny", "pretrained_cfg": IMAGES}
UNSAID = "the checkpoint does not say how its images were made; they are taken to be the federation's"


def read(world: World, path: Path, start: Result, task: Task | None = PETS) -> Parts:
    return read_checkpoint(world.registry, path, str(start.version), task, path.parent)


def push(world: World, path: Path, start: Result, task: Task | None = PETS, message: str = "") -> tuple[Result, bool]:
    return push_parts(world.registry, world.signer, read(world, path, start, task), message)


def test_a_checkpoint_becomes_a_version_of_its_start_with_the_bits_that_it_had(world: World, tmp_path: Path) -> None:
    start = world.probed()
    result, new = push(world, saved(tmp_path, featurizer(5), head(5)), start, message="at home, 3 epochs")
    assert new
    entry = world.registry.versions.show(str(result.version)).entry
    assert (entry.version.rule.name, entry.message, entry.node) == ("import", "at home, 3 epochs", world.signer.node)
    assert [parent.version for parent in entry.version.parents] == [start.version]
    assert (entry.version.featurizer, entry.version.head) == (
        canonical.digest(featurizer(5)),
        canonical.digest(head(5)),
    )
    assert entry.version.task == PETS.digest
    assert world.registry.versions.verify(entry.id).ok


def test_pushing_again_changes_nothing_even_with_another_message(world: World, tmp_path: Path) -> None:
    start, path = world.probed(), saved(tmp_path, featurizer(5), head(5))
    first, _ = push(world, path, start)
    events = world.registry.rounds.events()
    assert push(world, path, start, message="again") == (first, False)
    assert world.registry.rounds.events() == events


def test_it_is_a_start_of_trainings_a_member_of_averages_and_is_evaluated(world: World, tmp_path: Path) -> None:
    start = world.probed()
    imported, _ = push(world, saved(tmp_path, featurizer(5), head(5)), start)
    trained = world.tuned(imported, 1)
    world.work(world.evaluation(imported), {})
    parents = tuple(Parent(version=str(one.version)) for one in (imported, trained))
    average = world.registry.work.combine(Combination(parents=parents))
    assert world.registry.versions.verify(str(average.version)).ok
    assert imported.version in {row.entry.id for row in world.registry.versions.lineage(str(trained.version))}
    (counted,) = world.registry.versions.show(str(imported.version)).evaluations
    assert counted.evaluation.confusion == ((3, 1), (0, 4))


@pytest.mark.parametrize(
    "config",
    [
        {"label_names": ["dog", "cat"]},
        {"label_names": {"0": "dog", "1": "cat"}},
        {"id2label": {"0": "dog", "1": "cat"}},
        {"label2id": {"cat": 1, "dog": 0}},
        {"labels": ["dog", "cat"]},
    ],
)
def test_outputs_are_brought_into_the_order_of_the_tasks_classes(
    world: World, tmp_path: Path, config: dict[str, Any]
) -> None:
    start, top = world.probed(), head(5)
    parts = read(world, saved(tmp_path, featurizer(5), top, FLAT | config), start)
    turned = {name: array[[1, 0]] for name, array in top.items()}
    assert parts.permuted
    assert parts.notes == ()
    assert parts.question.head == canonical.digest(turned)
    result, _ = push_parts(world.registry, world.signer, parts)
    assert (
        canonical.digest(canonical.open_part(world.registry.weights.fetch(str(result.head)), NETWORK.head(2)))
        == result.head
    )


def test_outputs_without_names_are_taken_as_they_are_and_that_is_said(world: World, tmp_path: Path) -> None:
    parts = read(world, saved(tmp_path, featurizer(5), head(5)), world.probed())
    assert not parts.permuted
    assert parts.notes == (
        UNSAID,
        "the checkpoint does not name its outputs; they are taken to be in the task's order: cat, dog",
    )


def test_a_file_alone_has_no_config_unless_it_is_called_as_timm_calls_it(world: World, tmp_path: Path) -> None:
    place = saved(tmp_path, featurizer(5), head(5), {"label_names": ["dog", "cat"]})
    (place / "other.safetensors").write_bytes((place / "model.safetensors").read_bytes())
    start = world.probed()
    assert read_checkpoint(world.registry, place / "model.safetensors", str(start.version), PETS, tmp_path).permuted
    assert not read_checkpoint(world.registry, place / "other.safetensors", str(start.version), PETS, tmp_path).permuted


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model_args": {"act_layer": "relu6"}}, "the argument act_layer = relu6"),
        ({"model_args": {"output_stride": 16}}, "the argument output_stride = 16"),
        ({"global_pool": "max"}, "global_pool is 'max'"),
        ({"num_classes": 3}, "num_classes is 3, not 2"),
        ({"pretrained_cfg": {**IMAGES, "interpolation": "bilinear"}}, "interpolation is bilinear, not bicubic"),
        ({"pretrained_cfg": {**IMAGES, "input_size": [3, 16, 16]}}, r"input_size is \[3, 16, 16\], not \[3, 8, 8\]"),
        ({"pretrained_cfg": {**IMAGES, "mean": [0.485, 0.456, 0.406]}}, r"mean is \[0\.485, .*\], not \[0\.5"),
        (
            {"pretrained_cfg": {**IMAGES, "crop_mode": "center", "crop_pct": 0.875}},
            "crop_pct is 0.875.*crop_mode is center",
        ),
        ({"slope": 0.2}, "the key 'slope', which is not understood"),
        ({"pretrained_cfg": {**IMAGES, "slope": 0.2}}, "the key 'slope' in pretrained_cfg, which is not understood"),
    ],
)
def test_another_function_of_the_same_shapes_is_refused_by_name_and_nothing_is_averaged(
    world: World, tmp_path: Path, config: dict[str, Any], sentence: str
) -> None:
    start, versions = world.probed(), len(world.registry.versions.log())
    document = OURS | {"label_names": ["cat", "dog"]} | config
    with pytest.raises(Refusal, match=sentence):
        push(world, saved(tmp_path, featurizer(5), head(5), document), start)
    assert len(world.registry.versions.log()) == versions


def test_a_configuration_that_says_what_the_federation_does_needs_no_note(world: World, tmp_path: Path) -> None:
    document = OURS | {"label_names": ["cat", "dog"], "model_args": {"drop_rate": 0.2, "in_chans": 3, "num_classes": 2}}
    assert read(world, saved(tmp_path, featurizer(5), head(5), document), world.probed()).notes == ()


def test_prefixes_of_training_code_are_taken_off_with_a_note(world: World, tmp_path: Path) -> None:
    start, place = world.probed(), tmp_path / "module.safetensors"
    arrays = featurizer(5) | {f"fc.{name}": array for name, array in head(5).items()}
    save_file({f"module._orig_mod.{name}": array for name, array in arrays.items()}, place)
    parts = read(world, place, start)
    assert (parts.question.featurizer, parts.question.head) == (
        canonical.digest(featurizer(5)),
        canonical.digest(head(5)),
    )
    assert "'module._orig_mod.' was taken off the names of the tensors" in parts.notes


def test_a_featurizer_alone_is_pushed_without_a_task(world: World, tmp_path: Path) -> None:
    result, _ = push(world, saved(tmp_path, featurizer(5)), world.probed(), None)
    assert (result.head, result.task) == (None, None)


def test_batchnorm_statistics_that_moved_are_refused_with_the_remedy(world: World, tmp_path: Path) -> None:
    start, versions = world.probed(), len(world.registry.versions.log())
    moved = featurizer(5) | {"bn.running_mean": np.array([1, 2, 4], np.float32)}
    with pytest.raises(Refusal, match=r"buffer bn\.running_mean moved .*; train with BatchNorm in eval mode"):
        push(world, saved(tmp_path, moved, head(5)), start)
    assert len(world.registry.versions.log()) == versions


CATS = Task(name="cats", kind="target", classes=("siam", "tabby", "sphynx"), domains=("photo",))


@pytest.mark.parametrize(
    ("top", "config", "task", "sentence"),
    [
        (None, {}, PETS, r"'model.safetensors' has no classifier for task pets; without --task"),
        (head(5), {}, None, "has a classifier for 2 classes; say with --task of which task"),
        (head(5), {}, CATS, "fc of 'model.safetensors' tells 2 classes apart, and task cats has 3"),
        (head(5), {"label_names": ["cat", "cow"]}, PETS, "not those of task pets: it has 'cow' and no 'dog'; rename"),
        (head(5), {"label_names": ["cat", "cat"]}, PETS, "label_names in config.json has a name twice"),
        (head(5), {"label_names": ["cat"]}, PETS, "it names 1 outputs, not 2"),
        (head(5), {"label_names": [1, 2]}, PETS, "label_names in config.json cannot be read"),
        (head(5), {"label2id": {"cat": 0, "dog": 0}}, PETS, "label2id in config.json cannot be read"),
        (head(5), {"label2id": {"cat": 1, "dog": 2}}, PETS, "label2id in config.json cannot be read"),
        (head(5), {"labels": ["cat", "dog"], "label_names": ["dog", "cat"]}, PETS, "not name the outputs in the same"),
        (head(5), {"id2label": {"0": "dog", "1": "cat"}, "label2id": {"cat": 0, "dog": 1}}, PETS, "in the same order"),
        (head(5), {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, PETS, "it has 'LABEL_0' and no 'cat'"),
        (head(5), {"architecture": "resnet18"}, PETS, "is of resnet18, and --from is of tiny"),
        ({"weight": np.zeros((2, 4), np.float32), "bias": np.zeros(2, np.float32)}, {}, PETS, "takes 3 features"),
    ],
)
def test_classes_and_networks_that_do_not_fit_are_refused(
    world: World,
    tmp_path: Path,
    top: dict[str, Array] | None,
    config: dict[str, Any],
    task: Task | None,
    sentence: str,
) -> None:
    with pytest.raises(Refusal, match=sentence):
        read(world, saved(tmp_path, featurizer(5), top, config), world.probed(), task)


def test_folders_without_usable_weights_say_what_is_missing(world: World, tmp_path: Path) -> None:
    start, place = world.probed(), tmp_path / "empty"
    place.mkdir()
    with pytest.raises(Refusal, match=r"has no model\.safetensors; save the weights as one file"):
        read(world, place, start)
    (place / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(Refusal, match=r"pytorch_model\.bin' is a pickle"):
        read(world, place, start)
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        save_file(featurizer(1), place / name)
    with pytest.raises(Refusal, match=r"as one file of that name, or name the file"):
        read(world, place, start)


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000])
def test_a_config_that_is_no_json_object_is_named(world: World, tmp_path: Path, text: str) -> None:
    place = saved(tmp_path, featurizer(5), head(5))
    (place / "config.json").write_text(text)
    with pytest.raises(Refusal, match=r"config\.json' is no JSON object"):
        read(world, place, world.probed())


def test_a_message_that_is_too_long_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="the message has 501 characters; 500 are the most"):
        push(world, saved(tmp_path, featurizer(5), head(5)), world.probed(), message="x" * 501)
