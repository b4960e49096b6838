"""A version ready to be used: images as nodes make them, answers by name."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Rule, Version
from ratatouille.record import sha256
from ratatouille.tasks.images import decode
from ratatouille.training import numerics
from ratatouille.training.augment import Transform
from ratatouille.training.loaded import Loaded, Preparation, ready
from ratatouille.training.network import build, describe

ARCHITECTURE = describe("test_resnet", input_size=32)
CLASSES = ("beet", "corn", "dill")
VERSION = Version(
    featurizer=sha256(b"f"),
    head=sha256(b"h"),
    architecture=ARCHITECTURE.digest,
    task=None,
    parents=(),
    rule=Rule(name="import", revision=1),
    receipt=None,
)


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    numerics.apply()
    torch.manual_seed(0)
    network = build(ARCHITECTURE, 3)
    return ready(VERSION, ARCHITECTURE, 32, CLASSES, network.dump("featurizer"), network.dump("head"))


def photograph(orientation: int = 1, mode: str = "RGB") -> bytes:
    """An image with an EXIF orientation."""
    channels = len(mode)
    pixels = np.random.default_rng(3).integers(0, 256, (40, 56, channels), dtype=np.uint8)
    image, exif, data = Image.fromarray(pixels, mode), Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(data, "PNG", exif=exif)
    return data.getvalue()


@pytest.mark.parametrize(("orientation", "mode"), [(1, "RGB"), (6, "RGB"), (1, "RGBA"), (3, "RGBA")])
def test_images_and_their_files_become_the_input_that_a_node_makes(tmp_path: Path, orientation: int, mode: str) -> None:
    (tmp_path / "image.png").write_bytes(photograph(orientation, mode))
    wanted = Transform(ARCHITECTURE, torch.device("cpu")).plain(decode(photograph(orientation, mode), 32)[None])[0]
    prepare = Preparation(ARCHITECTURE, 32)
    for image in (tmp_path / "image.png", str(tmp_path / "image.png"), Image.open(tmp_path / "image.png")):
        assert torch.equal(prepare(image), wanted)


def test_a_preparation_travels_to_the_processes_that_read_images() -> None:
    prepare = Preparation(ARCHITECTURE, 32)
    image = Image.open(io.BytesIO(photograph()))
    assert torch.equal(pickle.loads(pickle.dumps(prepare))(image), prepare(image))


@pytest.mark.parametrize("data", [b"no image", photograph()[:300]])
def test_what_is_no_usable_image_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "image.png").write_bytes(data)
    with pytest.raises(Refusal, match=r"image\.png cannot be used: it is"):
        Preparation(ARCHITECTURE, 32)(tmp_path / "image.png")
    with pytest.raises(Refusal, match=r"none\.png' cannot be read: No such file"):
        Preparation(ARCHITECTURE, 32)(tmp_path / "none.png")


def test_predictions_are_the_networks_shares_in_the_order_of_the_images(loaded: Loaded) -> None:
    images = [Image.open(io.BytesIO(photograph(turn))) for turn in (1, 3, 6)]
    assert not loaded.model.training
    with torch.no_grad():
        wanted = loaded.model(torch.stack([loaded.transform(image) for image in images])).softmax(1)
    found = loaded.predict(images)
    torch.testing.assert_close(torch.tensor([one.shares for one in found]), wanted)
    for one, row in zip(found, wanted, strict=True):
        assert one.name == CLASSES[int(row.argmax())]
        assert one.share == max(one.shares)
    assert loaded.predict(images[0]) == loaded.predict(images[:1])
    assert loaded.predict([]) == []


def test_more_images_than_pass_at_once_are_answered_alike(loaded: Loaded) -> None:
    images = [Image.fromarray(np.full((32, 32, 3), shade, np.uint8)) for shade in range(130)]
    together = loaded.logits(images)
    assert together.shape == (130, 3)
    torch.testing.assert_close(together[[0, 64, 129]], torch.cat([loaded.logits([images[at]]) for at in (0, 64, 129)]))


def test_a_featurizer_alone_gives_features_and_predicts_nothing() -> None:
    body = build(ARCHITECTURE, 1).dump("featurizer")
    found = ready(VERSION, ARCHITECTURE, 32, (), body, None)
    assert found.logits([Image.open(io.BytesIO(photograph()))]).shape == (1, ARCHITECTURE.width)
    with pytest.raises(Refusal, match="has no head: its model gives features"):
        found.predict([])


def test_weights_that_are_not_finite_are_not_loaded() -> None:
    body = build(ARCHITECTURE, 1).dump("featurizer")
    body["bn1.weight"][0] = np.nan
    with pytest.raises(Refusal, match=r"tensor bn1\.weight holds NaN"):
        ready(VERSION, ARCHITECTURE, 32, (), body, None)
