from pathlib import Path

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks import DataSettings
from ratatouille.tasks.data import open_data
from ratatouille.tasks.synthetic import CLASSES, STYLES, draw_shape, synthetic_tasks, write_synthetic


def test_all_synthetic_tasks_are_written_and_opened(tmp_path: Path) -> None:
    for name, task in synthetic_tasks().items():
        folder = write_synthetic(name, tmp_path / name)
        data = open_data(task, DataSettings(path=folder, group="stem"))
        assert len(data) == 3 * 3 * 12
        for domain in STYLES:
            for split in ("train", "validation"):
                assert all(data.holding.counts[domain][split]), f"{name}, {domain} and {split} lack a class"


def test_no_shape_is_in_two_tasks() -> None:
    shapes = [shape for classes in CLASSES.values() for shape in classes]
    assert len(set(shapes)) == len(shapes)


def test_a_drawing_is_always_the_same_and_differs_by_style_and_number() -> None:
    drawings = [draw_shape("disc", style, number, 32).tobytes() for style in STYLES for number in range(3)]
    assert len(set(drawings)) == 9
    assert draw_shape("disc", "day", 0, 32).tobytes() == drawings[0]


def test_the_target_can_be_learnt(tmp_path: Path) -> None:
    """Even the nearest class mean of sorted pixels and edges beats chance (1/3) on other shapes of the same style."""
    task = synthetic_tasks()["shapes"]
    data = open_data(task, DataSettings(path=write_synthetic("shapes", tmp_path / "s", each=40), group="stem"))
    ink = np.abs(data.images(32).astype(float) - data.images(32)[:, :1, :1].astype(float)).max(axis=3) > 30
    y, x = np.mgrid[:32, :32]
    features = []
    for mask in ink:
        area = mask.sum()
        distance = np.hypot(y - y[mask].mean(), x - x[mask].mean())[mask]
        features.append([distance.max() ** 2 / area, distance.mean() / distance.max()])
    table = np.array(features)
    train, validation = data.examples("day", "train"), data.examples("day", "validation")
    means = np.stack([table[train][data.labels[train] == label].mean(axis=0) for label in range(3)])
    guess = np.linalg.norm(table[validation][:, None] - means, axis=2).argmin(axis=1)
    assert (guess == data.labels[validation]).mean() > 0.6


def test_an_unknown_task_or_style_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="the synthetic tasks are shapes, shapes-pointed, shapes-round"):
        write_synthetic("forms", tmp_path)
    with pytest.raises(Refusal, match="their styles day, night, sketch"):
        write_synthetic("shapes", tmp_path, styles=["dawn"])
