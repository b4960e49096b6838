from __future__ import annotations

import sys

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Parent
from registry.frames import frame
from tests.registry.world import World


@pytest.fixture
def average(world: World) -> str:
    """Two trainings and their average, counted and released."""
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    parents = tuple(Parent(version=str(one.version)) for one in tuned)
    made = world.registry.work.combine(Combination(parents=parents), message="both")
    for result in (*tuned, made):
        world.work(world.evaluation(result), {})
    world.maintainer.release(str(made.version))
    return str(made.version)


def test_a_log_is_a_frame_with_times_that_can_be_compared(world: World, average: str) -> None:
    log = frame(world.registry.versions.log())
    assert list(log["rule"]) == ["combine", "fine_tune", "fine_tune", "probe", "import"]
    assert list(log["method"].dropna().items()) == [(0, "mean")]
    assert log.iloc[0][["id", "message", "aliases"]].to_list() == [average, "both", ["latest"]]
    assert str(log["created"].dtype).endswith("UTC]")
    assert log["created"].is_monotonic_decreasing
    assert log.groupby("rule").size()["fine_tune"] == 2


def test_evaluations_of_several_versions_are_one_frame(world: World, average: str) -> None:
    found = frame([world.registry.versions.show(entry.id) for entry in world.registry.versions.log(limit=3)])
    assert sorted(found["split"]) == ["test"] * 3 + ["validation"] * 2
    assert found[found["id"] == average].iloc[0][["domain", "images", "accuracy"]].to_list() == ["sketch", 8, 7 / 8]


def test_walks_contributions_rankings_and_differences_are_frames(world: World, average: str) -> None:
    assert list(frame(world.registry.versions.lineage(average))["depth"]) == [0, 1, 1, 2, 2, 3]
    assert list(frame(world.registry.versions.contributions(average))["exact"]) == ["1/2", "1/2"]
    ranking = frame(world.registry.versions.best("pets"))
    assert list(ranking["place"]) == [1, 2, 3]
    assert list(ranking["sketch"]) == list(ranking["accuracy"]) == [7 / 8] * 3
    tensors = frame(world.registry.versions.diff(average, f"{average}~1"))
    assert set(tensors["part"]) == {"featurizer", "head"}
    assert tensors.set_index("name")["distance"]["conv.weight"] > 0
    assert list(frame(world.registry.releases.alias_history("latest"))["version"]) == [average]


def test_nothing_is_an_empty_frame() -> None:
    assert frame([]).empty


def test_without_pandas_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(Refusal, match=r"model-ratatouille\[frames\]"):
        frame([])
