from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from ratatouille.processes import free_port
from ratatouille.tasks.task import Task
from tests.ratatouille.cli.call import call
from tests.ratatouille.tasks.domainbed.trees import picture


@pytest.fixture(autouse=True)
def _nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATATOUILLE_REMOTE", f"grpc://127.0.0.1:{free_port()}")


@pytest.fixture
def nodes(tmp_path: Path) -> list[str]:
    """Words for two nodes: a target with two domains, and an auxiliary task that repeats one image of its sketches."""
    tasks = {
        "pets": Task(name="pets", kind="target", classes=("cat", "dog"), domains=("photo", "sketch")),
        "farm": Task(name="farm", kind="auxiliary", classes=("cow", "hen"), domains=("day",)),
    }
    words = []
    for name, task in tasks.items():
        for domain in task.domains:
            for label in task.classes:
                picture(tmp_path / name / domain / label / "a.png")
        node = {"name": name, "folder": f"{name}-node", "data": [{"task": name, "path": name}]}
        (tmp_path / f"{name}.task.toml").write_text(tomli_w.dumps(task.model_dump(mode="json")))
        (tmp_path / f"{name}.node.toml").write_text(tomli_w.dumps(node))
        words += [str(tmp_path / f"{name}.node.toml"), "--task-file", str(tmp_path / f"{name}.task.toml")]
    copy = tmp_path / "farm" / "day" / "cow" / "b.png"
    copy.write_bytes((tmp_path / "pets" / "sketch" / "dog" / "a.png").read_bytes())
    return words


EXPECTED = [
    {"target": "pets", "domain": "photo", "task": "farm", "images": 0, "of": 2, "task_images": 0, "task_of": 3},
    {"target": "pets", "domain": "sketch", "task": "farm", "images": 1, "of": 2, "task_images": 1, "task_of": 3},
]


def test_nodes_on_one_machine_are_compared_and_the_repeated_domain_is_warned_of(nodes: list[str]) -> None:
    assert call("duplicates", *nodes, "--json").json == {"distance": 6, "overlaps": EXPECTED}
    called = call("duplicates", *nodes)
    assert (called.code, called.err) == (0, "")
    assert "1 of 2" in called.out
    (warning,) = [line for line in called.out.splitlines() if line.startswith("warning")]
    assert warning.startswith("warning: 1 of 2 images of pets in domain sketch nearly repeat images of farm;")
    assert "no near-duplicates: all hashes differ" in call("duplicates", *nodes, "--held-out", "photo").out


def test_hashes_that_were_saved_elsewhere_say_the_same(nodes: list[str], tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for words, file in zip((nodes[:3], nodes[3:]), files, strict=True):
        called = call("duplicates", *words, "--save", file)
        assert (called.code, called.err) == (0, "")
        assert f"hashes to {file}" in called.out
    assert call("duplicates", *files, "--json").json["overlaps"] == EXPECTED
    assert call("duplicates", files[0], *nodes[3:], "--json").json["overlaps"] == EXPECTED
    assert call("duplicates", files[0], "--save", files[1], "--json").json == {"file": str(files[1]), "hashes": 4}


def test_what_cannot_be_compared_is_refused_in_a_sentence(nodes: list[str], tmp_path: Path) -> None:
    call("duplicates", *nodes[:3]).refused("the files have hashes of 'pets' only")
    call("duplicates", *nodes, "--target", "zoo").refused("no file has hashes of the task 'zoo'")
    call("duplicates", *nodes, "--held-out", "night").refused("no file has hashes of the domain 'night'")
    call("duplicates", nodes[0]).refused("or give the definition of 'pets' with --task-file")
    (tmp_path / "bad.json").write_text("[]")
    call("duplicates", tmp_path / "bad.json").refused("bad.json' is no file of hashes")
    call("duplicates", tmp_path / "none.toml").refused("there is no node file")
