"""Two versions on one page: what the registry's own difference says, and what differs in how they were made."""

from __future__ import annotations

import pytest

from registry.records import CellDifference, Gap, PartDifference, TensorDifference
from registry.web.page import NotThere, Query
from registry.web.pages import comparison
from registry.web.pages.comparison import FARTHEST, ComparisonPage, farthest, gap, sure
from tests.registry.web.scene import Scene


def page(scene: Scene, **query: str) -> ComparisonPage:
    view = comparison.page(scene.world.registry, Query({}, {name: [value] for name, value in query.items()})).view
    assert isinstance(view, ComparisonPage)
    return view


def test_the_evaluations_are_those_of_the_registrys_difference(scene: Scene) -> None:
    view = page(scene, a="spring-2026", b="stable")
    assert view.first is not None
    assert view.second is not None
    assert (view.first.id, view.second.id) == (scene.first, scene.second)
    found = scene.world.registry.versions.diff(scene.first, scene.second, weights=False)
    assert view.evaluations == found.evaluations
    assert [(row.domain, row.images, row.same_images) for row in view.evaluations] == [("sketch", (8, 8), True)]
    assert view.parts == ()


def test_weights_are_compared_when_they_are_asked_for(scene: Scene) -> None:
    parts = page(scene, a="spring-2026", b="stable", weights="1").parts
    assert [(part.part, part.same, part.reason) for part in parts] == [("featurizer", False, ""), ("head", False, "")]
    assert parts[0].distance is not None
    assert parts[0].distance > 0
    same = page(scene, a="stable", b="stable", weights="1")
    assert [part.same for part in same.parts] == [True, True]


def test_it_says_where_the_two_part_and_what_differs_in_how_they_were_made(scene: Scene) -> None:
    view = page(scene, a=scene.runs[0], b="stable")
    assert view.related == "the second comes from the first, 1 step later"
    facts = {fact.name: (fact.first, fact.second) for fact in view.facts}
    assert facts["made by"] == ("training", "average of 9 (uniform)")
    assert facts["parents"][0] == scene.probe[:10]
    assert "architecture" not in facts  # both have the same


def test_without_two_versions_releases_are_suggested(scene: Scene) -> None:
    view = page(scene, a="stable")
    assert (view.first, view.evaluations, view.related) == (None, (), "")
    assert (scene.first[:16], scene.second[:16]) in [(one.first, one.second) for one in view.suggestions]
    with pytest.raises(NotThere, match="nothing"):
        page(scene, a="nothing", b="stable")


def test_the_metric_chooses_the_gap_and_a_gap_is_sure_where_its_interval_leaves_zero_out() -> None:
    plain, balanced = Gap(difference=0.2, low=0.1, high=0.3), Gap(difference=0.2, low=-0.1, high=0.5)
    row = CellDifference(
        task="pets",
        domain=None,
        split="test",
        slice="all",
        trial=0,
        image_size=8,
        images=(8, 8),
        same_images=True,
        paired=False,
        accuracy=plain,
        balanced_accuracy=balanced,
    )
    assert (gap(row, "accuracy"), gap(row, "balanced_accuracy")) == (plain, balanced)
    assert (sure(plain), sure(balanced), sure(Gap())) == (True, False, False)
    assert sure(Gap(difference=-0.2, low=-0.3, high=-0.1))


def test_the_tensors_that_moved_farthest_are_shown_first() -> None:
    def tensor(name: str, distance: float | None, changed: float = 1.0) -> TensorDifference:
        return TensorDifference(name=name, elements=4, buffer=False, distance=distance, largest=1.0, changed=changed)

    few = [tensor("near", 0.1), tensor("still", 0.0, 0.0), tensor("far", 2.0), tensor("from zero", None)]
    shown = farthest(PartDifference(part="featurizer", tensors=tuple(few)))
    assert [one.name for one in shown] == ["from zero", "far", "near"]
    many = PartDifference(part="featurizer", tensors=tuple(tensor(str(number), 1.0) for number in range(FARTHEST + 1)))
    assert len(farthest(many)) == FARTHEST
