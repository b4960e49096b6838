"""Releases page by page, with what each version scores."""

from __future__ import annotations

from pathlib import Path

from registry.web.page import Query
from registry.web.pages import releases
from registry.web.pages.releases import PAGE, ReleasesPage
from tests.registry.web.scene import make_scene
from tests.registry.world import World


def page(world: World, **query: str) -> ReleasesPage:
    view = releases.page(world.registry, Query({}, {name: [value] for name, value in query.items()})).view
    assert isinstance(view, ReleasesPage)
    return view


def test_every_move_is_on_one_page_the_latest_first(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    moves = [scene.world.maintainer.release((scene.first, scene.second)[number % 2], "pet") for number in range(PAGE)]
    moves.append(scene.world.maintainer.undo("pet"))
    latest = page(scene.world, alias="pet")
    assert latest.earlier is not None
    rest = page(scene.world, alias="pet", before=str(latest.earlier))
    shown = [release.move.number for view in (latest, rest) for release in view.releases]
    assert shown == [move.number for move in reversed(moves)]
    assert (latest.continued, rest.continued, rest.earlier) == (False, True, None)
    assert latest.releases[0].move.undo
    scene.world.registry.close()


def test_a_release_scores_what_was_counted_of_its_version(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    view = page(scene.world, alias="stable", metric="balanced_accuracy")
    assert view.series == ("sketch test",)
    scores = [release.scores["sketch test"] for release in view.releases]
    assert [(score.value, score.margin, score.images) for score in scores] == [(0.875, None, 8), (0.875, None, 8)]
    assert page(scene.world, alias="stable", domain="sketch").series == ("sketch test",)
    assert page(scene.world, alias="foundation").series == ()
    scene.world.registry.close()
