from __future__ import annotations

import pytest

from ratatouille.exchange.signing import Signer
from registry.records import Member
from registry.web.page import NotThere, Query
from registry.web.pages import member
from registry.web.server import application
from tests.registry.person import Person
from tests.registry.web.conftest import TestClient
from tests.registry.web.scene import KEY, Scene
from tests.registry.world import World


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


def test_a_member_is_shown_with_role_state_and_all_keys(world: World) -> None:
    owner, anna = Person(world.registry, 1, "olga"), Person(world.registry, 2, "anna")
    anna.joined(owner, role="maintainer")
    node = Signer.of_seed(b"n" * 32)
    anna.add_node(node, "attic")
    World(world.registry, world.folder, node).foundation(7, "one")
    owner.revoke(anna.key)
    with TestClient(application(world.registry), base_url="http://localhost:9280") as reader:
        everybody = reader.get("/contributors").text
        text = reader.get(f"/contributors/{node.node}").text
    assert "maintainer, revoked" in everybody
    assert f'href="/contributors/{anna.key}"' in everybody
    for words in ("<bdi>anna</bdi></h1>", "Member with the role maintainer, revoked", anna.key, node.node):
        assert words in text


def test_changes_of_members_are_shown_and_a_member_without_contributions_has_a_page(world: World) -> None:
    owner, anna = Person(world.registry, 1, "olga"), Person(world.registry, 2, "anna")
    anna.joined(owner, role="maintainer", approve=True)
    owner.approve(anna.key, "known from the clinic")
    owner.set_role(anna.key, "contributor", "moved on")
    anna.add_node(Signer.of_seed(b"n" * 32), "attic")
    owner.revoke(anna.key, message="left <b>us</b>")
    with TestClient(application(world.registry), base_url="http://localhost:9280") as reader:
        everybody = reader.get("/contributors").text
        changes = reader.get("/contributors?format=json").json()["changes"]
        text = reader.get(f"/contributors/{anna.key}").text
    assert f'href="/contributors/{anna.key}"' in everybody
    for words in ("olga", "known from the clinic", "moved on", "left &lt;b&gt;us&lt;/b&gt;"):
        assert words in everybody
    assert "left <b>us</b>" in changes[0]["text"]
    assert [one["number"] for one in changes] == sorted((one["number"] for one in changes), reverse=True)
    for words in (
        "<bdi>anna</bdi></h1>",
        "role contributor, revoked",
        "Key of a device",
        "Key of a node (attic, revoked)",
    ):
        assert words in text


@pytest.mark.parametrize("key", ["0" * 64, "anna", KEY.upper()])
def test_a_key_that_gave_nothing_has_no_page(scene: Scene, key: str) -> None:
    with pytest.raises(NotThere, match=r"gave nothing|names no key"):
        page(scene, key)
