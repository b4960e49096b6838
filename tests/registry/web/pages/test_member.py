from __future__ import annotations

import pytest

from registry.records import Member
from registry.web.page import NotThere, Query
from registry.web.pages import member
from tests.registry.web.conftest import TestClient
from tests.registry.web.scene import KEY, Scene


def page(scene: Scene, key: str) -> Member:
    found = member.page(scene.world.registry, Query({"key": key}, {})).view
    assert isinstance(found, Member)
    return found


def test_the_page_of_a_key_has_what_me_shows(scene: Scene) -> None:
    assert page(scene, KEY) == scene.world.registry.work.member([KEY])


def test_its_releases_work_and_offers_are_shown_and_the_page_of_contributors_leads_there(reader: TestClient) -> None:
    assert f'href="/contributors/{KEY}"' in reader.get("/contributors").text
    text = reader.get(f"/contributors/{KEY}").text
    for words in ("In releases", "stable", "training", "Offered now", "photo, sketch"):
        assert words in text


@pytest.mark.parametrize("key", ["0" * 64, "anna", KEY.upper()])
def test_a_key_that_gave_nothing_has_no_page(scene: Scene, key: str) -> None:
    with pytest.raises(NotThere, match=r"gave nothing|names no key"):
        page(scene, key)
