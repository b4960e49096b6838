from __future__ import annotations

from pathlib import Path

from ratatouille.tasks.domainbed import DATA_SETS
from tests.ratatouille.cli.call import call, loaded_by
from tests.ratatouille.tasks.domainbed.trees import camera_traps, folders

PACS = DATA_SETS["pacs"]


def test_a_data_set_becomes_files_that_check_understands(tmp_path: Path) -> None:
    folders(tmp_path / "PACS", list(PACS.layouts[0].domains), PACS.classes)
    called = call("dataset", "PACS", "--data-dir", tmp_path, "--output", tmp_path / "out", "--kind", "auxiliary")
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith(f"PACS in {tmp_path / 'PACS'}: 4 domains, 7 classes\n")
    task, node = tmp_path / "out" / "pacs.task.toml", tmp_path / "out" / "pacs.node.toml"
    assert f"`ratatouille check {node} --task-file {task}` reads the images" in called.out
    assert call("check", task, "--json").code == 0
    (data,) = call("check", node, "--task-file", task, "--json").json["data"]
    assert data["classes"] == list(PACS.classes)
    assert set(data["holding"]["counts"]) == set(PACS.domains)


def test_notes_and_the_manifest_are_said(tmp_path: Path) -> None:
    camera_traps(tmp_path, {"a.jpg": ("38", ["cat"]), "b.jpg": ("38", ["cat", "dog"])})
    words = ("dataset", "terra-incognita", "--data-dir", tmp_path, "--output", tmp_path)
    assert "note: left out 1 image with several of the classes" in call(*words).out
    answer = call(*words, "--json").json
    assert answer["manifest"] == str(tmp_path / "ratatouille.csv")
    assert answer["notes"] == ["left out 1 image with several of the classes"]


def test_what_is_not_there_is_refused_with_where_people_get_it(tmp_path: Path) -> None:
    for row in DATA_SETS.values():
        called = call("dataset", row.name, "--data-dir", tmp_path, "--output", tmp_path)
        called.refused(f"expected in '{tmp_path / row.layouts[0].folder}'", row.source)
    call("dataset", "cifar", "--data-dir", tmp_path).refused("there is no data set 'cifar' here", "'pacs'")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_preparing_needs_no_image_library(tmp_path: Path) -> None:
    folders(tmp_path / "PACS", list(PACS.layouts[0].domains), PACS.classes)
    loaded = loaded_by(["dataset", "pacs", "--data-dir", tmp_path, "--output", tmp_path / "out"])
    assert not {"PIL", "torch", "numpy", "flwr"} & loaded
