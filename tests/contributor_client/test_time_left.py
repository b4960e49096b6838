"""A node with a limit of time: it leaves before it, and begins no work that it would lose."""

import shutil
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from contributor_client.node import Node
from contributor_client.time_left import DeviceSpeed, end_of, refuse_beyond_time
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, Mixture, NodeAssignment, Weighted
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.node import read_node_settings
from ratatouille.tasks.time_limit import MARGIN_SECONDS
from ratatouille.training.preflight import DeviceWork, Trial
from registry.services.local import LocalRegistry
from tests.contributor_client.pantry import Pantry
from tests.contributor_client.test_node import node_file

SECONDS_PER_STEP, SECONDS_PER_IMAGE = 8.0, 0.5


@pytest.fixture
def speed(pantry: Pantry) -> DeviceSpeed:
    """That of a device which trains and counts the pantry's images, 16 in a step."""
    data = pantry.setup.data
    work = DeviceWork(
        task=data.task.name,
        classes=len(data.task.classes),
        architecture=pantry.setup.architecture,
        image_size=pantry.setup.fine_tune().image_size,
        batch=16,
        steps=10,
        images=len(data),
        paths=(),
        digests=(),
        source="a test",
    )
    timed = {"device": "cpu", "seconds_per_step": SECONDS_PER_STEP, "seconds_per_image": SECONDS_PER_IMAGE}
    return DeviceSpeed.of(Trial(device="cpu", work=(work,)), {"device": "cpu", "timed": [timed]})


def of_images(pantry: Pantry) -> tuple[Evaluate, Compare, int]:
    """An evaluation of a domain's validation images, a comparison of two networks on them, and how many they are."""
    training = pantry.setup.fine_tune()
    domain = training.domains[0]
    same = {
        name: getattr(training, name)
        for name in ("architecture", "task", "fingerprint", "image_size", "trial", "revision", "numerics")
    }
    cells = (Cell(domain=domain, split="validation"),)
    network = Mixture(
        featurizer=(Weighted(part=training.featurizer),),
        head=(Weighted(part=training.head),),
    )
    return (
        Evaluate(**same, featurizer=training.featurizer, head=training.head, cells=cells),
        Compare(**same, networks=(network, network), cells=cells),
        pantry.setup.data.holding.total(domain, "validation"),
    )


def test_the_estimate_is_a_step_of_a_training_and_all_images_of_counts(pantry: Pantry, speed: DeviceSpeed) -> None:
    training, holding = pantry.setup.fine_tune(), pantry.setup.data.holding
    evaluation, comparison, images = of_images(pantry)
    a_step = training.batch * len(training.domains) / 16 * SECONDS_PER_STEP
    assert speed.seconds(training, holding) == pytest.approx(a_step)
    assert speed.seconds(evaluation, holding) == pytest.approx(images * SECONDS_PER_IMAGE)
    assert speed.seconds(comparison, holding) == pytest.approx(2 * images * SECONDS_PER_IMAGE)
    assert speed.seconds(training.model_copy(update={"image_size": 4096}), holding) is None


def test_work_that_cannot_be_saved_in_the_time_that_is_left_is_refused_for_now(
    pantry: Pantry, speed: DeviceSpeed
) -> None:
    holding = pantry.setup.data.holding

    def refuse(assignment: NodeAssignment, left: float) -> None:
        refuse_beyond_time(1000.0 + left, speed, assignment, holding, now=1000.0)

    training, (evaluation, _, images) = pantry.setup.fine_tune(), of_images(pantry)
    for assignment, needed in (
        (training, speed.seconds(training, holding) or 0.0),
        (evaluation, images * SECONDS_PER_IMAGE),
    ):
        refuse(assignment, needed + 1)
        with pytest.raises(Refusal, match="the node leaves in") as caught:
            refuse(assignment, needed - 1)
        assert caught.value.code == "time-short"
    refuse_beyond_time(None, speed, training, holding)
    refuse_beyond_time(0.0, DeviceSpeed(), training, holding)  # nothing is known, so nothing is refused


def test_the_pace_of_a_device_outlives_its_worker(tmp_path: Path, speed: DeviceSpeed) -> None:
    speed.write(tmp_path / "speed.json")
    assert DeviceSpeed.read(tmp_path / "speed.json") == speed
    (tmp_path / "speed.json").write_text("{")
    assert DeviceSpeed.read(tmp_path / "speed.json") == DeviceSpeed()


def test_a_node_leaves_by_itself_before_its_limit(pantry: Pantry, tmp_path: Path) -> None:
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        registry.work.announce(Signer.open(tmp_path / "coordinator").seal(Announcement(fleet="127.0.0.1:9")))
    file, said = node_file(pantry, tmp_path, hours="00:00-00:01", time_limit="4h"), list[str]()
    settings = read_node_settings(file)
    assert settings.time_limit == "4h"
    node = Node(settings, file, tmp_path / "node", str(tmp_path / "registry"), leave_at=time.time() + 1.0)
    node.run(threading.Event(), said.append)
    assert "the time limit comes: the node saves its work and leaves" in said


def test_a_limit_is_counted_from_the_start_of_the_node() -> None:
    assert end_of(None, 5.0) is None
    assert end_of("1h30m", 5.0) == 5.0 + 5400 - MARGIN_SECONDS
    assert end_of("1d", 0.0) == 24 * 3600 - MARGIN_SECONDS


@pytest.mark.parametrize("text", ["", "4", "9m", "4 hours", "4:00:00", "-4h"])
def test_what_is_no_limit_is_said(text: str) -> None:
    with pytest.raises(Refusal, match=r"write 4h, 90m or 1d12h, 10 minutes or more"):
        end_of(text, 0.0)
