from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, encode, header
from ratatouille.weights.intake import Intake

CALM = settings(deadline=None, max_examples=40)
"""No deadline: tests share the machine."""

TENSORS = (
    Tensor(name="conv", shape=(3, 5)),
    Tensor(name="empty", shape=(0, 4)),
    Tensor(name="mean", shape=(3,), buffer=True),
    Tensor(name="steps", dtype="I64", buffer=True),
)
PART: dict[str, Array] = {
    "conv": np.linspace(-1, 1, 15, dtype=np.float32).reshape(3, 5),
    "empty": np.zeros((0, 4), np.float32),
    "mean": np.array([1, 2, 3], np.float32),
    "steps": np.array(9, np.int64),
}
FILE = encode(PART)


def take(data: bytes, cuts: list[int] | None = None, digest: str | None = None) -> None:
    intake = Intake(TENSORS, digest or hashlib.sha256(data).hexdigest(), PART)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or ()), len(data)]
    for start, stop in pairwise(edges):
        intake.update(data[start:stop])
    intake.finish()


def changed(name: str, index: int, value: float) -> bytes:
    part = {key: array.copy() for key, array in PART.items()}
    part[name].reshape(-1)[index] = value
    return encode(part)


@CALM
@given(st.lists(st.integers(0, len(FILE)), max_size=40))
def test_good_bytes_pass_however_they_are_cut(cuts: list[int]) -> None:
    take(FILE, cuts)


def test_good_bytes_pass_one_by_one() -> None:
    take(FILE, list(range(len(FILE))))


@CALM
@given(st.integers(0, 14), st.sampled_from([np.nan, np.inf, -np.inf]), st.lists(st.integers(0, len(FILE)), max_size=10))
def test_a_value_that_is_not_finite_is_refused_wherever_it_is(index: int, value: float, cuts: list[int]) -> None:
    with pytest.raises(Refusal, match="tensor conv holds NaN or infinite values"):
        take(changed("conv", index, value), cuts)


@CALM
@given(st.sampled_from([("mean", 0), ("mean", 2), ("steps", 0)]), st.lists(st.integers(0, len(FILE)), max_size=10))
def test_a_buffer_that_moved_is_refused_with_the_remedy(place: tuple[str, int], cuts: list[int]) -> None:
    with pytest.raises(Refusal, match=f"buffer {place[0]} moved away .* train with BatchNorm in eval mode"):
        take(changed(*place, 77), cuts)


def test_without_an_ancestor_buffers_may_be_anything() -> None:
    data = changed("mean", 0, 77)
    intake = Intake(TENSORS, hashlib.sha256(data).hexdigest())
    intake.update(data)
    intake.finish()


@CALM
@given(
    st.integers(len(header(TENSORS)), len(FILE) - 1), st.integers(0, 7), st.lists(st.integers(0, len(FILE)), max_size=5)
)
def test_any_flipped_bit_is_refused(place: int, bit: int, cuts: list[int]) -> None:
    data = bytearray(FILE)
    data[place] ^= 1 << bit
    with pytest.raises(Refusal):
        take(bytes(data), cuts, hashlib.sha256(FILE).hexdigest())


@CALM
@given(st.lists(st.integers(0, len(FILE)), max_size=5))
def test_more_and_fewer_bytes_are_refused(cuts: list[int]) -> None:
    with pytest.raises(Refusal, match="more bytes than the"):
        take(FILE + b"\0", cuts)
    with pytest.raises(Refusal, match=f"the file ends after {len(FILE) - 1} of {len(FILE)} bytes"):
        take(FILE[:-1], cuts)


def test_other_names_are_refused_before_any_weight_came() -> None:
    other = header([*TENSORS[:-1], Tensor(name="stepz", dtype="I64", buffer=True)])
    intake = Intake(TENSORS, "0" * 64)
    with pytest.raises(Refusal, match=r"tensor steps is missing|tensor 'stepz' is not part of it"):
        intake.update(other)


def test_a_name_that_occurs_twice_is_refused() -> None:
    twice = header(TENSORS).replace(b'"mean"', b'"conv"')
    assert len(twice) == len(header(TENSORS))
    with pytest.raises(Refusal, match="is not a canonical file"):
        Intake(TENSORS, "0" * 64).update(twice)


def test_a_short_file_of_something_else_is_named() -> None:
    with pytest.raises(Refusal, match="it is no safetensors file"):
        take(b"hello")
