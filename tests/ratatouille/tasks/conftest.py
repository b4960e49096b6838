from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ratatouille.tasks import Task


@pytest.fixture
def pets() -> Task:
    return Task(name="pets", kind="target", classes=("cat", "dog"), domains=("photo", "sketch"))


@pytest.fixture
def draw() -> Callable[[Path, int], Path]:
    """Writes an image whose pixels follow from a number."""

    def write(path: Path, number: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (10, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def tree(tmp_path: Path, draw: Callable[[Path, int], Path]) -> Path:
    """domain/class/*.png: two domains, two classes, three images each."""
    root = tmp_path / "animals"
    number = 0
    for domain in ("photo", "sketch"):
        for name in ("cat", "dog"):
            for index in range(3):
                number += 1
                draw(root / domain / name / f"{name}{index}.png", number)
    return root
