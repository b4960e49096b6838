import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from ratatouille.errors import Refusal
from ratatouille.tasks import DataSettings, Task
from ratatouille.tasks.data import open_data
from ratatouille.tasks.duplicates import (
    DISTANCE,
    SIDE,
    Hashed,
    HashFile,
    Overlap,
    hashed,
    hashes_of,
    near,
    overlaps,
    read_hashes,
)

BITS = st.integers(0, 2**64 - 1)
ABC = "abcdefgh"


def blobs(number: int, size: int = 96) -> Image.Image:
    """A smooth picture, as photographs are: few waves of random strength, over one another."""
    rng = np.random.default_rng(number)
    axis = np.linspace(0, np.pi, size)
    waves = np.stack([np.cos(k * axis) for k in range(8)])
    strengths = rng.normal(size=(3, 8, 8)) / (1 + np.add.outer(np.arange(8), np.arange(8)))
    pixels = np.stack([waves.T @ strength @ waves for strength in strengths + 2 * strengths[:1]], axis=-1)
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    return Image.fromarray((40 + 170 * pixels).astype(np.uint8))


def hash_of(image: Image.Image) -> int:
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return int(hashes_of(np.asarray(small)[None])[0])


def jpeg(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=30)
    return Image.open(data)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "strong JPEG": jpeg,
    "a third of the size": lambda image: image.resize((32, 32)),
    "another shape": lambda image: image.resize((200, 120)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "gray": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_picture_has_nearly_its_hash(copy: str) -> None:
    distances = [(hash_of(blobs(number)) ^ hash_of(COPIES[copy](blobs(number)))).bit_count() for number in range(40)]
    assert np.mean(np.array(distances) <= DISTANCE) > 0.95, distances


def test_other_pictures_have_other_hashes() -> None:
    values = [hash_of(blobs(number)) for number in range(100)]
    distances = [(one ^ other).bit_count() for place, one in enumerate(values) for other in values[:place]]
    assert min(distances) > DISTANCE
    assert 28 < np.mean(distances) < 36


def test_hashes_are_what_they_were() -> None:
    assert f"{hash_of(blobs(0)):016x}" == "330435c54773edc2"
    assert hash_of(Image.new("RGB", (5, 5), "orange")) == 0


def test_a_hash_does_not_depend_on_the_images_beside_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1030, SIDE, SIDE, 3), dtype=np.uint8)
    assert hashes_of(pixels).tolist() == [int(hashes_of(one[None])[0]) for one in pixels]
    assert hashes_of(pixels[:0]).shape == (0,)


@given(st.lists(BITS, max_size=12), st.lists(BITS, max_size=12), st.integers(0, 64), st.integers(1, 40))
def test_near_is_what_all_pairs_say_in_blocks_of_any_size(
    first: list[int], second: list[int], distance: int, pairs: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ratatouille.tasks.duplicates.PAIRS", pairs)
        left, right = near(np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64), distance)
    close = [[(one ^ other).bit_count() <= distance for other in second] for one in first]
    assert left.tolist() == [any(row) for row in close]
    assert right.tolist() == [any(row[place] for row in close) for place in range(len(second))]


@given(st.lists(BITS, min_size=1, max_size=12), st.lists(BITS, min_size=1, max_size=12), st.integers(0, 64))
def test_near_is_symmetric(first: list[int], second: list[int], distance: int) -> None:
    one, other = np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64)
    forth, back = near(one, other, distance), near(other, one, distance)
    assert (forth[0].tolist(), forth[1].tolist()) == (back[1].tolist(), back[0].tolist())


def test_many_hashes_are_compared_in_little_memory() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 2**63, count, dtype=np.uint64) for count in (2_000, 20_000))
    second[7] = first[3] ^ np.uint64(0b10101)
    found, repeated = near(first, second)
    assert (np.flatnonzero(found).tolist(), np.flatnonzero(repeated).tolist()) == ([3], [7])


# -- counts between tasks


def entry(task: str, domain: str, *hashes: int, kind: str = "auxiliary", fingerprint: str = "0") -> Hashed:
    values = tuple(f"{value:016x}" for value in hashes)
    return Hashed.model_validate(
        {"task": task, "kind": kind, "domain": domain, "fingerprint": fingerprint * 64, "hashes": values}
    )


PETS = [entry("pets", "photo", 0, 1, kind="target"), entry("pets", "sketch", 0xFF00, kind="target")]
FARM = [entry("farm", "day", 0b11, 0xFFFF_FFFF), entry("farm", "night", 0)]


def test_each_domain_of_the_target_is_counted_against_every_other_task() -> None:
    zoo = entry("zoo", "day", 0xFFFF)
    assert overlaps([*PETS, *FARM, zoo]) == [
        Overlap(target="pets", domain="photo", task="farm", images=2, of=2, task_images=2, task_of=3),
        Overlap(target="pets", domain="photo", task="zoo", images=0, of=2, task_images=0, task_of=1),
        Overlap(target="pets", domain="sketch", task="farm", images=0, of=1, task_images=0, task_of=3),
        Overlap(target="pets", domain="sketch", task="zoo", images=0, of=1, task_images=0, task_of=1),
    ]


def test_distance_target_and_held_out_domain_may_be_chosen() -> None:
    assert [one.images for one in overlaps([*PETS, *FARM], distance=0)] == [1, 0]
    (one,) = overlaps([*PETS, *FARM], "farm", ["night"])
    assert (one.target, one.task, one.images, one.of, one.task_images, one.task_of) == ("farm", "pets", 1, 1, 2, 3)


def test_replicas_count_once_and_other_holdings_of_a_domain_add() -> None:
    replica, other = PETS[0], entry("pets", "photo", 2**63, kind="target", fingerprint="1")
    assert overlaps([*PETS, replica, other, *FARM], held_out=["photo"])[0].of == 3


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(Refusal, match="no file has hashes of a target task; there are 'farm', and --target chooses"):
        overlaps(FARM)
    with pytest.raises(Refusal, match="no file has hashes of the task 'zoo'"):
        overlaps([*PETS, *FARM], "zoo")
    with pytest.raises(Refusal, match="the files have hashes of 'pets' only"):
        overlaps(PETS)
    with pytest.raises(Refusal, match="no file has hashes of the domain 'day' of 'pets'; there are 'photo', 'sketch'"):
        overlaps([*PETS, *FARM], held_out=["day"])


# -- from images to a file


def test_only_sorted_hashes_task_and_domain_leave_a_node(pets: Task, tree: Path, tmp_path: Path) -> None:
    data = open_data(pets, DataSettings(path=tree))
    found = hashed(data)
    assert [(one.task, one.kind, one.domain, len(one.hashes)) for one in found] == [
        ("pets", "target", "photo", 6),
        ("pets", "target", "sketch", 6),
    ]
    assert all(list(one.hashes) == sorted(one.hashes) for one in found)
    everything = sorted(value for one in found for value in one.hashes)
    assert everything == sorted(f"{value:016x}" for value in hashes_of(data.images(SIDE)).tolist())
    path = tmp_path / "hashes.json"
    path.write_bytes(HashFile(data=tuple(found)).to_json())
    assert read_hashes(path).data == tuple(found)
    assert set(json.loads(path.read_bytes())["data"][0]) == {"task", "kind", "domain", "fingerprint", "hashes"}
    for name in ("cat", "dog", str(tree)):
        assert name not in path.read_text()


@given(st.lists(st.lists(BITS, max_size=5), max_size=5))
def test_a_file_of_hashes_is_read_back(values: list[list[int]]) -> None:
    file = HashFile(data=tuple(entry("a", ABC[place], *hashes) for place, hashes in enumerate(values)))
    assert HashFile.from_json(file.to_json()) == file


@pytest.mark.parametrize("text", ["", "{}", '{"hash": "other", "data": []}', '{"data": [{"hashes": ["x"]}]}'])
def test_a_file_that_holds_no_hashes_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "hashes.json").write_text(text)
    with pytest.raises(Refusal, match=r"hashes\.json' is no file of hashes"):
        read_hashes(tmp_path / "hashes.json")
    with pytest.raises(Refusal, match=r"none\.json' cannot be read: No such file"):
        read_hashes(tmp_path / "none.json")
