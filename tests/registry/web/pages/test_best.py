"""The ranking page: what it is by, who leads, and why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.exchange.assignment import Cell, Evaluate
from ratatouille.exchange.receipt import Evaluation
from registry.opening import open_registry
from registry.web.page import BadQuery, NotThere, Query
from registry.web.pages import best
from registry.web.pages.best import BestPage
from tests.registry.web.scene import Scene, make_scene
from tests.registry.world import SKETCHES, World

PHOTOS = Cell(domain="photo", split="test")


def page(world: World, **query: str) -> BestPage:
    view = best.page(world.registry, Query({}, {name: [value] for name, value in query.items()})).view
    assert isinstance(view, BestPage)
    return view


def test_the_first_target_task_is_ranked_on_what_was_held_out(scene: Scene) -> None:
    view = page(scene.world)
    assert view.tasks == ("pets", "weird")
    assert view.wanted is not None
    assert (view.wanted.task, view.metric, view.columns) == ("pets", "accuracy", ())
    assert view.sentence == "Versions for pets by accuracy in percent: domain sketch, split test."
    # of those that are level the older one leads
    assert [(one.version.id, one.value, one.images) for one in view.places] == [
        (scene.first, 0.875, 8),
        (scene.second, 0.875, 8),
    ]


def test_a_task_and_a_metric_are_asked_for(scene: Scene) -> None:
    view = page(scene.world, task="weird", metric="balanced_accuracy", split="test", slice="all")
    assert [(one.version.id, one.images) for one in view.places] == [(scene.hostile, 10)]
    # 1 of 3 and 4 of 7
    assert view.places[0].value == pytest.approx((1 / 3 + 4 / 7) / 2)
    assert view.metric == "balanced_accuracy"


def test_several_domains_are_shown_one_by_one(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    result = scene.world.tuned(scene.world.probed(), 5)
    evaluation = scene.world.evaluation(result, ((4, 0), (1, 3)))
    assert isinstance(evaluation.assignment, Evaluate)
    both = evaluation.assignment.model_copy(update={"cells": (SKETCHES, PHOTOS)})
    counts = (*evaluation.evaluations, Evaluation(cell=PHOTOS, confusion=((2, 2), (0, 4))))
    scene.world.work(evaluation.model_copy(update={"assignment": both, "evaluations": counts}), {})
    view = page(scene.world)
    assert view.columns == ("photo", "sketch")
    assert [one.version.id for one in view.places] == [result.version]
    assert [(one.domain, one.value) for one in view.places[0].domains] == [("photo", 0.75), ("sketch", 0.875)]
    assert page(scene.world, domain="sketch").columns == ()
    assert len(page(scene.world, domain="sketch").places) == 3
    scene.world.registry.close()


def test_another_trials_split_of_the_images_is_a_ranking_of_its_own(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    result = scene.world.tuned(scene.world.probed(), 5)
    evaluation = scene.world.evaluation(result, ((4, 0), (1, 3)))
    assert isinstance(evaluation.assignment, Evaluate)
    other = evaluation.assignment.model_copy(update={"trial": 3})
    scene.world.work(evaluation.model_copy(update={"assignment": other}), {})
    view = page(scene.world, trial="3")
    assert [one.version.id for one in view.places] == [result.version]
    assert view.sentence.endswith("split test, trial 3.")
    assert result.version not in [one.version.id for one in page(scene.world).places]
    scene.world.registry.close()


def test_a_registry_without_tasks_has_no_ranking(tmp_path: Path) -> None:
    registry = open_registry(tmp_path / "registry")
    view = best.page(registry, Query({}, {})).view
    assert isinstance(view, BestPage)
    assert (view.wanted, view.places, view.sentence) == (None, (), "No task is defined yet.")
    registry.close()


def test_where_nothing_was_counted_the_page_says_so(scene: Scene) -> None:
    view = page(scene.world, task="weird", domain="photo")
    assert view.places == ()
    assert view.sentence.startswith("no version for weird was counted on domain photo in this trial and slice")


def test_what_is_no_task_is_not_there_and_other_words_are_refused(scene: Scene) -> None:
    with pytest.raises(NotThere, match="'cars'; the tasks are pets, weird"):
        page(scene.world, task="cars")
    with pytest.raises(BadQuery, match="split takes"):
        page(scene.world, split="tomorrow")
