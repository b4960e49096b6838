"""Random changes of images, against torchvision's where it has the same formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional as reference

from ratatouille.exchange.assignment import Augmentation
from ratatouille.training import augment
from ratatouille.training.batches import stream
from ratatouille.training.network import describe

NONE = Augmentation(smallest_crop=1, flip=0, jitter=0, grayscale=0)


@pytest.fixture(scope="module")
def transform() -> augment.Transform:
    return augment.Transform(describe("test_resnet", input_size=32), torch.device("cpu"))


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


def test_plain_is_normalisation_and_nothing_else(transform: augment.Transform, images: NDArray[np.uint8]) -> None:
    expected = (images.transpose(0, 3, 1, 2) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(transform.plain(images).numpy(), expected, atol=1e-6)


def test_without_any_change_random_is_plain(transform: augment.Transform, images: NDArray[np.uint8]) -> None:
    changed = transform.random(images, NONE, stream("augmentation", 0))
    torch.testing.assert_close(changed, transform.plain(images), atol=1e-5, rtol=0)


def test_a_certain_flip_mirrors_every_image(transform: augment.Transform, images: NDArray[np.uint8]) -> None:
    changed = transform.random(images, NONE.model_copy(update={"flip": 1.0}), stream("augmentation", 0))
    torch.testing.assert_close(changed, transform.plain(images).flip(3), atol=1e-5, rtol=0)


def test_a_certain_grayscale_makes_the_colours_equal(transform: augment.Transform, images: NDArray[np.uint8]) -> None:
    changed = transform.random(images, NONE.model_copy(update={"grayscale": 1.0}), stream("augmentation", 0))
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert torch.equal(changed[:, 0], changed[:, 2])


def test_equal_generators_change_equally_and_others_differently(
    transform: augment.Transform, images: NDArray[np.uint8]
) -> None:
    first, second, other = (transform.random(images, Augmentation(), stream("augmentation", s)) for s in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_crops_lie_inside_the_image_with_area_and_aspect_as_stated() -> None:
    left, top, width, height = augment.crop_boxes(20_000, 0.7, stream("augmentation", 0)).T
    assert float(torch.minimum(left, top).min()) >= 0
    assert float(torch.maximum(left + width, top + height).max()) <= 1 + 1e-6
    area, aspect = width * height, width / height
    assert 0.7 - 1e-4 <= float(area.min()) < 0.71
    assert float(area.max()) <= 1
    assert 3 / 4 - 1e-4 <= float(aspect.min()) < 0.76
    assert 1.32 < float(aspect.max()) <= 4 / 3 + 1e-4


def test_a_crop_is_what_torchvision_cuts_and_stretches() -> None:
    planes = torch.rand(3, 1, 32, 32, generator=stream("pixels", 0))
    box = torch.tensor([[4 / 32, 8 / 32, 24 / 32, 20 / 32]])
    ours = augment.crop(planes, box, torch.tensor([False]))[:, 0]
    # torchvision stops at the edge of the cut, we look at the pixels beyond it: the inner pixels agree
    theirs = reference.resized_crop(planes[:, 0], top=8, left=4, height=20, width=24, size=[32, 32], antialias=False)
    torch.testing.assert_close(ours[:, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("ours", "theirs", "amount"),
    [
        (augment.brightness, reference.adjust_brightness, 0.75),
        (augment.brightness, reference.adjust_brightness, 1.3),
        (augment.contrast, reference.adjust_contrast, 0.7),
        (augment.contrast, reference.adjust_contrast, 1.3),
        (augment.saturation, reference.adjust_saturation, 0.7),
        (augment.saturation, reference.adjust_saturation, 1.3),
        (augment.hue, reference.adjust_hue, -0.3),
        (augment.hue, reference.adjust_hue, 0.17),
    ],
)
def test_colours_change_by_torchvisions_formulas(ours, theirs, amount: float) -> None:  # type: ignore[no-untyped-def]
    planes = torch.rand(3, 2, 16, 16, generator=stream("pixels", 1))
    planes[:, 0, 0, 0] = 0.5  # a gray pixel has no hue
    expected = theirs(planes.transpose(0, 1), amount).transpose(0, 1)
    torch.testing.assert_close(ours(planes, torch.full((2, 1, 1), amount)), expected, atol=2e-4, rtol=0)


def test_jitter_draws_for_each_image_on_its_own() -> None:
    planes = torch.full((3, 64, 4, 4), 0.5) * torch.tensor([1.0, 0.6, 0.4]).view(3, 1, 1, 1)
    changed = augment.jitter(planes.clone(), 0.3, stream("augmentation", 0))
    assert len(torch.unique(changed[0, :, 0, 0])) > 60
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
