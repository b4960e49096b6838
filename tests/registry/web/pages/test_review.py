"""The page of reviews, and the review on a version's own page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ratatouille.exchange.change import Review
from registry.records import LogQuery
from registry.web.page import BadQuery, Query
from registry.web.pages import review
from registry.web.pages.review import ReviewPage
from registry.web.server import application
from tests.registry.web.scene import Scene, make_scene

HOSTILE = "<b>it</b> is far from the others"


@pytest.fixture
def reviewed(tmp_path: Path) -> Iterator[Scene]:
    """A history in which a gate has quarantined a training and an average."""
    scene = make_scene(tmp_path)
    (training,) = scene.world.registry.versions.log(LogQuery(kind="fine_tune"), limit=1)
    values = {"state": "quarantined", "reason": HOSTILE, "evidence": {"norm": 3.25, "domain": "<i>"}, "by": "gate"}
    for id in (training.id, scene.first):
        change = Review.model_validate({"version": id, **values, "at": time.time()})
        scene.world.registry.review.enter(scene.world.signer.seal(change))
    with closing(scene.world.registry):
        yield scene


def page(scene: Scene, **query: str) -> ReviewPage:
    view = review.page(scene.world.registry, Query({}, {name: [value] for name, value in query.items()})).view
    assert isinstance(view, ReviewPage)
    return view


def test_what_waits_is_listed_with_its_numbers_and_shown_on_its_own_page(reviewed: Scene) -> None:
    view = page(reviewed)
    assert [one.state for one in view.reviews] == ["quarantined", "quarantined"]
    assert view.reviews[0].version == reviewed.first
    assert (view.continued, view.earlier) == (False, None)
    assert page(reviewed, state="rejected").reviews == ()
    with TestClient(application(reviewed.world.registry), base_url="http://127.0.0.1") as reader:
        html = reader.get("/review").text
        assert "norm 3.25" in html
        assert "&lt;b&gt;it&lt;/b&gt;" in html
        assert "<i>" not in html
        own = reader.get(f"/versions/{reviewed.first}").text
        assert "<strong>Quarantined</strong> by the gate" in own
        assert '<span class="state s-quarantined">quarantined</span>' in reader.get("/search?q=pets").text
        maker = reader.get(f"/contributors/{view.reviews[1].maker}").text
        assert "quarantined: &lt;b&gt;it&lt;/b&gt;" in maker


def test_other_words_for_a_state_are_refused(reviewed: Scene) -> None:
    with pytest.raises(BadQuery, match="state takes quarantined, rejected, admitted, all"):
        page(reviewed, state="bad")
