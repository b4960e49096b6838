"""`best` over every implementation: who is in a ranking, on what, and in which order."""

from __future__ import annotations

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.statistics import margin
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from registry.presentation.history import ranking_sentence
from registry.records import Ranking, Result
from tests.registry.world import SKETCHES, World

SKETCH, PHOTO = SKETCHES, Cell(domain="photo", split="test")
ELSEWHERE = sha256(b"pets of somebody else")


def right(correct: int, of: int = 10) -> tuple[tuple[int, ...], ...]:
    """Counts with so many right, all of one class."""
    return ((correct, of - correct), (0, 0))


def count(world: World, result: Result, cell: Cell, correct: int, of: int = 10, **question: object) -> None:
    world.work(world.evaluation(result, right(correct, of), cell, **question), {})


def order(ranking: Ranking) -> list[str]:
    return [one.entry.id for one in ranking.versions]


@pytest.fixture
def three(world: World) -> list[Result]:
    """Three trainings, all counted on the sketches: 5, 9 and 7 of 10."""
    start = world.probed()
    found = [world.tuned(start, seed) for seed in (2, 3, 4)]
    for one, correct in zip(found, (5, 9, 7), strict=True):
        count(world, one, SKETCH, correct)
    return found


def test_the_best_comes_first_with_its_margin_and_what_it_was_counted_on(world: World, three: list[Result]) -> None:
    ranking = world.registry.versions.best("pets")
    assert order(ranking) == [three[place].version for place in (1, 2, 0)]
    assert (ranking.task, ranking.metric, ranking.split, ranking.domains) == ("pets", "accuracy", "test", ("sketch",))
    first = ranking.versions[0]
    assert (first.value, first.images, first.image_size) == (0.9, 10, 8)
    assert first.margin == pytest.approx(margin(9, 10))
    assert [(one.domain, one.value) for one in first.domains] == [("sketch", 0.9)]
    assert first.entry == world.registry.versions.show(str(three[1].version)).entry
    assert order(world.registry.versions.best("pets", limit=1)) == [three[1].version]


def test_a_mean_ranks_only_those_that_were_counted_on_most_domains(world: World, three: list[Result]) -> None:
    count(world, three[0], PHOTO, 10)
    count(world, three[2], PHOTO, 1, of=5)
    ranking = world.registry.versions.best("pets")
    assert ranking.domains == ("photo", "sketch")
    assert [(one.entry.id, one.value, one.images) for one in ranking.versions] == [
        (three[0].version, 0.75, 20),
        (three[2].version, pytest.approx(0.45), 15),
    ]
    on_sketch = world.registry.versions.best("pets", domain="sketch")
    assert order(on_sketch) == [three[place].version for place in (1, 2, 0)]
    assert on_sketch.domains == ("sketch",)


def test_means_over_different_domains_are_not_compared(world: World, three: list[Result]) -> None:
    other = world.tuned(world.probed(), 5)
    count(world, other, PHOTO, 10)
    with pytest.raises(Refusal, match=r"on different domains \(\w+; \w+\).*name one with --domain"):
        world.registry.versions.best("pets")
    assert order(world.registry.versions.best("pets", domain="photo")) == [other.version]


def test_no_sum_of_floats_decides_between_versions_that_are_level(world: World, three: list[Result]) -> None:
    # (0.1 + 0.7) / 2 and (0.3 + 0.5) / 2 differ in the last bit
    start = world.probed()
    older, younger = world.tuned(start, 6), world.tuned(start, 7)
    for one, counts in ((older, (1, 7)), (younger, (3, 5))):
        for cell, correct in zip((SKETCH, PHOTO), counts, strict=True):
            count(world, one, cell, correct)
    for metric in ("accuracy", "balanced_accuracy"):
        ranking = world.registry.versions.best("pets", metric=metric)
        assert order(ranking) == [older.version, younger.version]
        assert [one.value for one in ranking.versions] == [0.4, 0.4]


def test_of_versions_that_are_level_the_older_comes_first(world: World, three: list[Result]) -> None:
    later = world.tuned(world.probed(), 5)
    count(world, later, SKETCH, 18, of=20)
    assert order(world.registry.versions.best("pets"))[:2] == [three[1].version, later.version]
    assert order(world.registry.versions.best("pets", limit=1)) == [three[1].version]


def test_counts_of_several_holdings_are_summed_and_the_same_holding_counts_once(
    world: World, three: list[Result]
) -> None:
    count(world, three[1], SKETCH, 0, of=20, fingerprint=ELSEWHERE)
    count(world, three[1], SKETCH, 10, repeat=1)
    ranking = world.registry.versions.best("pets")
    assert order(ranking) == [three[place].version for place in (2, 0, 1)]
    assert (ranking.versions[-1].value, ranking.versions[-1].images) == (0.3, 30)


def test_a_version_that_was_counted_in_two_sizes_is_ranked_once(world: World, three: list[Result]) -> None:
    for one in three:
        count(world, one, SKETCH, 8, image_size=16)
    ranking = world.registry.versions.best("pets", limit=3)
    assert [(one.entry.id, one.value, one.image_size) for one in ranking.versions] == [
        (three[1].version, 0.9, 8),
        (three[0].version, 0.8, 16),
        (three[2].version, 0.8, 16),
    ]


def test_versions_with_the_same_weights_are_one_and_the_oldest_stands_for_them(
    world: World, three: list[Result]
) -> None:
    same = world.registry.work.combine(Combination(parents=(Parent(version=str(three[1].version)),)))
    assert same.version != three[1].version
    ranking = world.registry.versions.best("pets")
    assert order(ranking) == [three[place].version for place in (1, 2, 0)]
    assert [one.sharing for one in ranking.versions] == [1, 0, 0]
    assert ranking_sentence(ranking).endswith("Without 1 later version with the same weights as one of these.")


def test_split_slice_trial_and_metric_are_chosen(world: World, three: list[Result]) -> None:
    held_out, new = Cell(domain="sketch", split="all"), Cell(domain="sketch", split="all", slice="new")
    count(world, three[0], held_out, 10)
    count(world, three[2], new, 10)
    count(world, three[2], held_out, 1, trial=3)
    world.work(world.evaluation(three[1], ((8, 0), (2, 0)), held_out), {})
    best = world.registry.versions.best
    assert order(best("pets", split="all")) == [three[0].version, three[1].version]
    assert order(best("pets", split="all", slice="new")) == [three[2].version]
    assert order(best("pets", trial=3)) == [three[2].version]
    assert best("pets", trial=3).split == "all"
    ranking = best("pets", split="all", metric="balanced_accuracy")
    assert [one.value for one in ranking.versions] == [1.0, 0.5]


def test_what_was_not_counted_is_said_with_what_was(world: World, three: list[Result]) -> None:
    for asked, sentence in (
        ({"task": "birds"}, "task birds is not known"),
        ({"task": "pets", "split": "train"}, "counted on split train .*; there are counts on test, validation"),
        ({"task": "pets", "domain": "film"}, "counted on domain film"),
        ({"task": "pets", "trial": 7}, "`ratatouille show` lists"),
    ):
        with pytest.raises(Refusal, match=sentence):
            world.registry.versions.best(**asked)
