from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, encode
from ratatouille.weights.difference import BLOCK, distance, distances, together


def test_a_distance_is_relative_to_the_first_and_counts_what_changed() -> None:
    first, second = np.array([3, 4, 0, 0], np.float32), np.array([3, 4, 0, 2.5], np.float32)
    found = distance(first, second)
    assert (found.relative, found.largest, found.changed, found.elements) == (0.5, 2.5, 1, 4)
    assert distance(second, first).relative == pytest.approx(2.5 / np.sqrt(31.25))
    assert distance(first, first).relative == 0.0


def test_from_zero_to_something_there_is_no_relative_distance() -> None:
    zero = np.zeros(2, np.float32)
    assert distance(zero, np.ones(2, np.float32)).relative is None
    assert distance(zero, zero).relative == 0.0
    assert distance(np.zeros(0, np.float32), np.zeros(0, np.float32)).elements == 0


def test_blocks_add_up_to_what_one_look_at_everything_gives(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    first = generator.standard_normal(2 * BLOCK + 7, dtype=np.float32)
    second = first.copy()
    second[[1, BLOCK, -1]] += np.float32(1e-3)
    wide = first.astype(np.float64)
    tensors = (Tensor(name="a", shape=first.shape),)
    for name, array in (("one", first), ("two", second)):
        (tmp_path / name).write_bytes(encode({"a": array}))
    ((tensor, found),) = distances(tmp_path / "one", tmp_path / "two", tensors)
    assert (tensor, found.changed, found.elements) == (tensors[0], 3, len(first))
    assert found.largest == np.abs(second - wide).max()
    assert found.relative == pytest.approx(np.linalg.norm(second - wide) / np.linalg.norm(wide), rel=1e-12)


def test_a_change_in_the_last_bit_is_seen_and_sums_are_in_float64() -> None:
    first = np.full(BLOCK, 1.0, np.float32)
    second = np.nextafter(first, np.float32(2))
    found = distance(first, second)
    assert found.changed == BLOCK
    assert found.relative == pytest.approx(2.0**-23, rel=1e-12)


def test_tensors_are_compared_by_name_and_counters_too(tmp_path: Path) -> None:
    tensors = (Tensor(name="b", shape=(2,)), Tensor(name="a", shape=(1,)), Tensor(name="n", dtype="I64", buffer=True))
    one: dict[str, Array] = {
        "b": np.array([1, 1], np.float32),
        "a": np.array([2], np.float32),
        "n": np.array(5, np.int64),
    }
    two = one | {"a": np.array([1], np.float32), "n": np.array(6, np.int64)}
    for name, arrays in (("one", one), ("two", two)):
        (tmp_path / name).write_bytes(encode(arrays))
    found = {tensor.name: each for tensor, each in distances(tmp_path / "one", tmp_path / "two", tensors)}
    assert {name: each.relative for name, each in found.items()} == {"b": 0.0, "a": 0.5, "n": 0.2}
    assert together(found.values()).changed == 2
    with pytest.raises(Refusal, match="not a canonical file"):
        list(distances(tmp_path / "one", tmp_path / "two", tensors[:2]))
