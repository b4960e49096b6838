"""The data of trained attacks: labels exchanged, or a patch on some training images, and nothing else changed."""

from pathlib import Path

import numpy as np
import pytest

from coordinator.benchmark.admission.trained import TARGET_CLASS, backdoored, label_flipped, stamp
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic

SIZE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LocalData:
    folder: Path = tmp_path_factory.mktemp("shapes")
    write_synthetic("shapes", folder, each=6)
    return open_data(synthetic_tasks()["shapes"], DataSettings(path=folder, group="stem"))


def test_a_label_flip_exchanges_every_label_and_keeps_the_fingerprint(data: LocalData) -> None:
    flipped = label_flipped(data)
    assert (flipped.labels != data.labels).all()
    assert flipped.holding.fingerprint == data.holding.fingerprint
    assert np.array_equal(flipped.images(SIZE), data.images(SIZE))


def test_a_backdoor_changes_half_of_the_training_images_and_no_other(data: LocalData) -> None:
    bad = backdoored(data, 0)
    training = data.examples(None, "train")
    before, after = data.images(SIZE), bad.images(SIZE)
    changed = {index for index in range(len(data)) if not np.array_equal(before[index], after[index])}
    assert changed <= set(training.tolist())
    assert len(changed) == len(training) // 2
    assert {int(bad.labels[index]) for index in changed} == {TARGET_CLASS}
    others = [index for index in range(len(data)) if index not in changed]
    assert np.array_equal(bad.labels[others], data.labels[others])
    assert bad.holding.fingerprint == data.holding.fingerprint


def test_the_patch_is_in_one_corner_and_the_same_on_every_image() -> None:
    images = np.full((2, 64, 64, 3), 128, np.uint8)
    images[1] = 50
    stamped = stamp(images)
    changed = (stamped[0] != images[0]).any(-1)
    rows, columns = np.nonzero(changed)
    assert 40 < rows.min() <= rows.max() < 64
    assert 40 < columns.min() <= columns.max() < 64
    assert np.array_equal(stamped[0][changed], stamped[1][changed])
