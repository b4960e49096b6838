"""`node forget` removes copies of images, and nothing else."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home

PIXELS, FEATURES = f"{'a' * 32}-32.npy", f"{'b' * 32}-{'c' * 32}.npy"
IMAGES = (f"data/images/{PIXELS}", "data/inspected.json", f"work/features/{FEATURES}")
WORK = (f"work/checkpoints/{'d' * 64}.checkpoint", f"work/results/{'d' * 64}/weights", f"work/runs/{'d' * 64}/a.jsonl")
STAYS = ["nodes/anna/key", "nodes/anna/weights/fetched", "nodes/ben/weights/fetched", "rehearsal/weights/fetched"]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 1000)


def files(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.fixture
def kept(home: Path) -> Path:
    """Two nodes, rehearsals and images of one's own."""
    for name in ("nodes/anna", "nodes/ben", "rehearsal"):
        fill(home / name, *IMAGES, *WORK, "weights/fetched")
    fill(home / "own-data", f"images/{PIXELS}", "inspected.json", f"features/{FEATURES}")
    Signer.open(home / "nodes" / "anna" / "key")
    return home


def test_all_copies_of_images_go_and_keys_and_fetched_weights_stay(kept: Path) -> None:
    done = call("node", "forget", "--yes")
    assert done.code == 0
    assert "decoded images" in done.out
    assert files(kept) == STAYS
    assert call("node", "forget").out == "nothing is kept of any image\n"
    assert call("node", "forget", "--json").json == {"removed": []}


def test_one_node_can_be_named(kept: Path, tmp_path: Path) -> None:
    before = files(kept)
    node = tmp_path / "node.toml"
    node.write_text('name = "anna"\n[[data]]\ntask = "leaves"\npath = "images"\n')
    found = call("node", "forget", node, "--yes", "--json").json["removed"]
    assert sum(one["files"] for one in found) == 6
    assert sum(one["bytes"] for one in found) == 6000
    assert files(kept) == [name for name in before if name not in {f"nodes/anna/{one}" for one in (*IMAGES, *WORK)}]


def test_without_a_terminal_it_wants_to_be_told(kept: Path) -> None:
    before = files(kept)
    called = call("node", "forget")
    assert (called.code, "say --yes" in called.err) == (2, True)
    called = call("node", "forget", "--json")
    assert (called.code, called.err) == (2, "")
    assert "say --yes" in json.loads(called.out)["error"]
    assert files(kept) == before


def test_a_node_that_runs_is_not_robbed(kept: Path) -> None:
    before = files(kept)
    with (kept / "nodes" / "anna" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call("node", "forget", "--yes").refused("a node runs from", "stop it first")
    (kept / "nodes" / "anna" / "lock").unlink()
    assert files(kept) == before
