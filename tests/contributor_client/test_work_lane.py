"""A node's work lane: deaf until it answers, said with its address, and moved with the coordinator."""

import time
from pathlib import Path
from typing import cast

import pytest

from contributor_client.lane_file import LaneFile
from contributor_client.work_lane import (
    PATIENCE_SECONDS,
    UNKNOWN_SECONDS,
    FrontDoorFiles,
    SuperNode,
    SuperNodeSettings,
    WorkLane,
)
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Offer
from ratatouille.processes import free_port


class Processes:
    """The two processes, as a list of what was done with them."""

    def __init__(self, settings: SuperNodeSettings) -> None:
        self.address = settings.superlink
        self.running = False
        made.append(self)

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


made: list[Processes] = []


class Scene:
    def __init__(self, folder: Path, front: FrontDoorFiles | None = None) -> None:
        made.clear()
        self.now = 100.0
        self.said: list[str] = []
        self.keys = 1
        self.ended = False
        """Whether the registry says that the key has ended."""
        self.entered = 0
        settings = SuperNodeSettings(folder, "127.0.0.1:9291", folder / "key", folder / "socket", front)
        self.path = settings.lane
        self.file = LaneFile(settings.lane)
        self.lane = WorkLane(
            settings,
            self.said.append,
            lambda: self.now,
            lambda given: cast(SuperNode, Processes(given)),
            self.new_key,
            self.enter_again,
        )
        self.lane.start()

    def new_key(self) -> None:
        self.keys += 1

    def enter_again(self) -> bool:
        self.entered += 1
        self.keys += self.ended
        return self.ended


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_lane_that_answers_is_heard_without_a_word(scene: Scene) -> None:
    assert not scene.lane.look("127.0.0.1:9291")
    scene.file.answer()
    assert scene.lane.look("127.0.0.1:9291")
    assert scene.said == []


def test_a_deaf_lane_is_named_with_its_address_after_a_while_then_now_and_then_until_it_answers(scene: Scene) -> None:
    scene.file.fail("it cannot be reached (ConnectError)")
    for _ in range(200):
        assert not scene.lane.look("127.0.0.1:9291")
        scene.now += 1
    assert len(scene.said) == 4
    assert "the work lane is deaf" in scene.said[0]
    assert "127.0.0.1:9291" in scene.said[0]
    assert "it cannot be reached" in scene.said[0]
    scene.file.answer()
    assert scene.lane.look("127.0.0.1:9291")
    assert scene.said[4:] == ["the work lane answers again: orders reach this node"]


def test_a_lane_that_rested_has_its_patience_again(scene: Scene) -> None:
    for seconds in (0, 2 * PATIENCE_SECONDS):
        scene.now += seconds
        assert not scene.lane.look(None)
    assert len(scene.said) == 1
    scene.lane.stop()
    scene.now += 3600
    scene.lane.start()
    assert not scene.lane.look(None)
    assert len(scene.said) == 1


def test_a_short_silence_is_no_sentence(scene: Scene) -> None:
    for _ in range(int(PATIENCE_SECONDS)):
        scene.lane.look(None)
        scene.now += 1
    scene.file.answer()
    scene.lane.look(None)
    assert scene.said == []


def test_a_coordinator_that_comes_back_elsewhere_is_followed(scene: Scene) -> None:
    scene.file.answer()
    assert scene.lane.look("127.0.0.1:9291")
    assert not scene.lane.look("127.0.0.1:9555")
    assert [(one.address, one.running) for one in made] == [("127.0.0.1:9291", False), ("127.0.0.1:9555", True)]
    assert "127.0.0.1:9555" in scene.said[0]
    assert not scene.lane.look(None)  # a coordinator that is away has not moved
    assert len(made) == 2


def test_a_key_that_flower_does_not_know_is_replaced_once_then_the_node_is_given_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FrontDoorFiles(tmp_path / "roots", tmp_path / "flower.key", tmp_path / "clock"))
    for keys in (1, 2):
        LaneFile(scene.path).fail("what answers there refuses (HTTP 412)", 412)
        scene.now += 1
        assert not scene.lane.look(None)  # a predecessor that was killed may still hold the place
        assert scene.lane.refused
        assert scene.keys == keys
        scene.now += UNKNOWN_SECONDS
        if keys == 1:
            scene.lane.look(None)
            assert [one.running for one in made] == [False, True]
            assert "does not know this node's key for Flower; made a new one" in scene.said[-1]
    with pytest.raises(Refusal, match="does not know this node's key for Flower, nor a new one"):
        scene.lane.look(None)


@pytest.mark.parametrize("status", [401, 412])
def test_a_key_that_has_ended_is_replaced_at_the_first_refusal(tmp_path: Path, status: int) -> None:
    scene = Scene(tmp_path, FrontDoorFiles(tmp_path / "roots", tmp_path / "flower.key", tmp_path / "clock"))
    scene.file.answer()
    assert scene.lane.look(None)
    assert scene.lane.has_news()
    scene.ended = True
    LaneFile(scene.path).fail("what answers there refuses", status)
    assert scene.lane.has_news(), "the node looks at once"
    assert not scene.lane.look(None)
    assert [one.running for one in made] == [False, True]
    assert scene.keys == 2
    assert "key for Flower had ended; made a new one" in scene.said[-1]
    scene.ended = False
    for _ in range(3):  # the coordinator registers the new one in a moment
        LaneFile(scene.path).fail("what answers there refuses (HTTP 412)", 412)
        scene.now += 1
        assert not scene.lane.look(None)
    LaneFile(scene.path).answer()
    assert scene.lane.look(None)
    assert (scene.keys, scene.entered, len(made)) == (2, 2, 2)


def test_a_coordinator_that_is_away_or_has_no_front_door_makes_no_new_key(tmp_path: Path) -> None:
    front = FrontDoorFiles(tmp_path / "roots", tmp_path / "flower.key", tmp_path / "clock")
    for scene, problem in ((Scene(tmp_path / "a"), 412), (Scene(tmp_path / "b", front), 502)):
        scene.file.fail("what answers there refuses", problem)
        for _ in range(3):
            assert not scene.lane.look(None)
            scene.now += UNKNOWN_SECONDS
        assert scene.keys == 1


def test_a_lane_that_moves_behind_a_front_door_gets_what_it_needs_there(tmp_path: Path) -> None:
    scene, front = Scene(tmp_path), FrontDoorFiles(tmp_path / "roots", tmp_path / "flower.key", tmp_path / "clock")
    assert not scene.lane.behind_front
    scene.lane.look("front.example:8443", lambda: front)
    assert scene.lane.behind_front


def test_a_supernode_that_points_to_nobody_notes_that_it_cannot_be_reached(tmp_path: Path) -> None:
    said: list[str] = []
    settings = SuperNodeSettings(tmp_path, f"127.0.0.1:{free_port()}", tmp_path / "key", tmp_path / "socket")
    with WorkLane(settings, said.append) as lane:
        deadline = time.monotonic() + 60
        while "cannot be reached" not in LaneFile(settings.lane).read().problem and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "cannot be reached" in LaneFile(settings.lane).read().problem
        assert not lane.look(None)


def test_an_offer_of_a_node_that_hears_keeps_the_bytes_that_it_had() -> None:
    offer = Offer(node="0" * 64, name="anna", holdings=(), issued=1.0)
    assert b"hears_orders" not in offer.to_json()
    assert b'"hears_orders":false' in offer.model_copy(update={"hears_orders": False}).to_json()
