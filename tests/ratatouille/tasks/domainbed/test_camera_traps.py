import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed import DATA_SETS, prepare
from ratatouille.tasks.domainbed.metadata import rows_of_camera_traps
from ratatouille.tasks.source import Row
from tests.ratatouille.tasks.domainbed.test_files import opened
from tests.ratatouille.tasks.domainbed.trees import camera_traps

TERRA = DATA_SETS["terra-incognita"]
WHOLE = {
    f"{place}-{name}.jpg": (place, [name]) for place in ("100", "38", "43", "46") for name in TERRA.classes
}  # fmt: skip


def test_the_original_layout_is_opened_through_a_manifest(tmp_path: Path) -> None:
    others = {"x.jpg": ("7", ["bird"]), "y.jpg": ("38", ["car"]), "z.jpg": ("38", [])}
    camera_traps(tmp_path / "terra_incognita", {**WHOLE, **others})
    prepared = prepare(TERRA, tmp_path, tmp_path)
    assert prepared.manifest == tmp_path / "terra_incognita" / "ratatouille.csv"
    assert prepared.notes == ()
    data = opened(prepared)
    assert len(data) == 40
    for domain in TERRA.domains:
        labels = data.labels[data.examples(domain)]
        assert sorted(labels.tolist()) == list(range(10))
    example = data.listing[int(data.examples("L38")[0])]
    assert example.path.name == "38-bird.jpg"


@pytest.mark.parametrize("folder", [".", "terra_incognita"])
def test_the_images_may_lie_in_either_folder(folder: str, tmp_path: Path) -> None:
    camera_traps(tmp_path / folder, WHOLE)
    assert len(opened(prepare(TERRA, tmp_path, tmp_path / "out"))) == 40


def test_both_layouts_split_alike_and_are_replicas(tmp_path: Path) -> None:
    camera_traps(tmp_path / "original", WHOLE)
    for name, (place, labels) in WHOLE.items():
        copy = tmp_path / "prepared" / "terra_incognita" / f"location_{place}" / labels[0] / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((tmp_path / "original" / "eccv_18_all_images_sm" / name).read_bytes())
    original = opened(prepare(TERRA, tmp_path / "original", tmp_path / "a"))
    prepared = opened(prepare(TERRA, tmp_path / "prepared", tmp_path / "b"))
    assert prepared.holding == original.holding
    assert prepared.splits() == original.splits()
    assert prepared.digests == original.digests


def test_boxes_of_one_category_are_one_label_and_ignored_categories_do_not_count(tmp_path: Path) -> None:
    camera_traps(tmp_path, {"a.jpg": ("46", ["dog", "dog", "car"])})
    row = Row("eccv_18_all_images_sm/a.jpg", "dog", "L46", "location_46/dog/a.jpg")
    assert rows_of_camera_traps(tmp_path) == ([row], [])


def test_images_of_several_classes_or_absent_ones_are_left_out_and_counted(tmp_path: Path) -> None:
    camera_traps(tmp_path, {"a.jpg": ("46", ["dog"]), "b.jpg": ("46", ["dog", "cat"]), "c.jpg": ("43", ["cat"])})
    (tmp_path / "eccv_18_all_images_sm" / "c.jpg").unlink()
    rows, notes = rows_of_camera_traps(tmp_path)
    assert [row.file for row in rows] == ["eccv_18_all_images_sm/a.jpg"]
    assert notes == [
        "left out 1 image with several of the classes",
        "left out 1 image that are not in eccv_18_all_images_sm",
    ]


def test_annotations_of_the_benchmark_s_splits_are_read_together_and_locations_may_be_numbers(tmp_path: Path) -> None:
    for split, name in (("train", "a.jpg"), ("trans_test", "b.jpg")):
        file = f"eccv_18_annotation_files/{split}_annotations.json"
        content = camera_traps(tmp_path, {name: ("38", ["cat"])}, file)
        content["images"][0]["location"] = 38
        (tmp_path / file).write_text(json.dumps(content))
    assert [row.file[-5:] for row in rows_of_camera_traps(tmp_path)[0]] == ["a.jpg", "b.jpg"]


def test_images_without_annotations_say_which_file_was_expected(tmp_path: Path) -> None:
    camera_traps(tmp_path, WHOLE)
    (tmp_path / "caltech_images_20210113.json").unlink()
    with pytest.raises(Refusal, match=r"expected '.*/caltech_images_20210113\.json' or .*; https://lila\.science/"):
        prepare(TERRA, tmp_path, tmp_path)


def test_annotations_without_their_images_are_refused(tmp_path: Path) -> None:
    camera_traps(tmp_path, {"a.jpg": ("38", ["cat"])})
    (tmp_path / "eccv_18_all_images_sm" / "a.jpg").unlink()
    with pytest.raises(Refusal, match=r"has none of the images .*; unpack eccv_18_all_images_sm\.tar\.gz there"):
        rows_of_camera_traps(tmp_path)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.pop(key)


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no images": without("images"),
    "no categories": without("categories"),
    "no annotations": without("annotations"),
    "an image without location": lambda content: content["images"][0].pop("location"),
    "an unknown category": lambda content: content["annotations"][0].update(category_id=99),
    "images that are a number": lambda content: content.update(images=3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_of_another_format_is_named(damage: str, tmp_path: Path) -> None:
    content = camera_traps(tmp_path, {"a.jpg": ("38", ["cat"])})
    DAMAGES[damage](content)
    (tmp_path / "caltech_images_20210113.json").write_text(json.dumps(content))
    with pytest.raises(Refusal, match="is not in COCO camera traps format"):
        rows_of_camera_traps(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff"])
def test_a_file_that_is_no_json_object_is_named(text: str, tmp_path: Path) -> None:
    camera_traps(tmp_path, {"a.jpg": ("38", ["cat"])})
    (tmp_path / "caltech_images_20210113.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Refusal, match=r"caltech_images_20210113\.json' is not in COCO camera traps format"):
        rows_of_camera_traps(tmp_path)
