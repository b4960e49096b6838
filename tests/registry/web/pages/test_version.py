"""A version's page: what was checked of it, what it is made of, its tags, and why it was taken back."""

from __future__ import annotations

from pathlib import Path

from registry.presentation.kinds import STYLES
from registry.web.page import Query
from registry.web.pages import version
from registry.web.pages.version import VersionView
from registry.web.server import application
from registry.web.templating import static
from tests.registry.web.conftest import TestClient
from tests.registry.web.scene import HOSTILE, Scene, make_scene


def page(scene: Scene, revision: str) -> VersionView:
    view = version.page(scene.world.registry, Query({"revision": revision}, {})).view
    assert isinstance(view, VersionView)
    return view


def test_what_was_checked_at_admission_is_said_as_the_registry_says_it(scene: Scene, reader: TestClient) -> None:
    view = page(scene, scene.runs[0])
    assert view.admission == scene.world.registry.versions.show(scene.runs[0]).admission
    assert view.admission
    text = reader.get(f"/versions/{scene.runs[0]}").text
    assert "Checked before it was admitted" in text
    assert all(check.what in text for check in view.admission)


def test_members_have_the_shares_of_the_registry(scene: Scene, reader: TestClient) -> None:
    members = page(scene, "stable").shares.members
    assert {one.version.id for one in members} == set(scene.runs)
    assert {(one.exact, one.share) for one in members} == {("1/9", 1 / 9)}
    assert ">1/9</span>" in reader.get("/versions/stable").text


def test_a_version_says_which_recipe_of_which_round_ended_in_it_and_its_score(scene: Scene, reader: TestClient) -> None:
    text = reader.get(f"/versions/{scene.first}").text
    assert '<strong><bdi>ratatouille</bdi></strong> of round <a href="/rounds/4f2a"><bdi>spring</bdi></a>' in text
    assert "87.5 ± 24.6 % accuracy: 8 images of the split test, one domain" in text
    found = reader.get("/rounds/4f2a").text
    assert "<bdi>ratatouille</bdi>" in found[found.index('id="results"') :]
    assert "ratatouille</text>" in found[: found.index('id="results"')]


def test_a_kind_has_one_colour_in_lists_legend_and_graph(scene: Scene, reader: TestClient) -> None:
    """The scene's trainings are for a target: no list may show them as trainings on an auxiliary task."""
    style = static("style.css").decode()
    for name in STYLES:
        assert f".k-{name} {{ color: var(--{name}); }}" in style
        assert f".node.k-{name} rect {{ fill: var(--tint-{name}); }}" in style
    for path in ("/rounds/77aa", "/versions/stable", f"/versions/{scene.runs[0]}"):
        text = reader.get(path).text
        assert "k-target" in text
        assert "k-fine_tune" not in text.replace("#k-fine_tune", "").replace('id="k-fine_tune"', "")


def test_tags_say_who_gave_them(scene: Scene, reader: TestClient) -> None:
    assert [(tag.name, tag.author) for tag in page(scene, scene.first).tags] == [("spring-2026", "anna")]
    text = reader.get("/versions/spring-2026").text
    assert text.index("<h3>Tags</h3>") < text.index(
        'href="/versions/spring-2026">spring-2026</a> <span class="muted">by'
    )


def test_a_version_that_was_taken_back_says_by_whom_why_and_what_replaces_it(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    assert page(scene, scene.runs[0]).taken_back is None
    scene.world.maintainer.retract(scene.runs[0], HOSTILE)
    taken = page(scene, scene.runs[0]).taken_back
    assert taken is not None
    assert (taken.version, taken.message, taken.author) == (scene.runs[0], HOSTILE, "anna")
    average = page(scene, scene.second).taken_back
    assert average is not None
    assert average.version == scene.runs[0]
    assert average.replacement is not None
    with TestClient(application(scene.world.registry), base_url="http://localhost:9280") as client:
        text = client.get(f"/versions/{scene.second}").text
        assert f'Made again without it: <a class="id" href="/versions/{average.replacement}">' in text
        assert "<script>alert" not in text
        assert "<strong>Taken back</strong> by <bdi>anna</bdi>" in client.get(f"/versions/{scene.runs[0]}").text
    scene.world.registry.close()
