from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, complain, digest, encode, header, open_part, size

CALM = settings(deadline=None, max_examples=40)
"""No deadline: tests share the machine."""

KNOWN = "d247c9b7421ed95c9c6238494e9ccb0a762cdfda00d853e850df11dc5cf17290"
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,11}", fullmatch=True)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.one_of(
    hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    hnp.arrays(np.int64, SHAPES),
)
PARTS = st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=4)


def tensors_of(part: dict[str, Array]) -> list[Tensor]:
    kinds = {"float32": "F32", "int64": "I64"}
    return [
        Tensor.model_validate({"name": name, "dtype": kinds[str(array.dtype)], "shape": array.shape})
        for name, array in part.items()
    ]


@CALM
@given(PARTS)
def test_our_header_is_the_one_that_safetensors_writes(part: dict[str, Array]) -> None:
    written = save({name: array if array.ndim == 0 else np.ascontiguousarray(array) for name, array in part.items()})
    expected = header(tensors_of(part))
    assert written[: len(expected)] == expected
    assert len(written) == size(tensors_of(part))


@CALM
@given(PARTS)
def test_decoding_returns_what_was_encoded(part: dict[str, Array]) -> None:
    decoded = load(encode(part))
    assert decoded.keys() == part.keys()
    for name, array in part.items():
        assert decoded[name].shape == array.shape
        assert decoded[name].tobytes() == array.tobytes()


def test_an_opened_file_has_the_same_bits_and_cannot_be_written(tmp_path: Path) -> None:
    part: dict[str, Array] = {
        "weight": np.array([[1.5, -0.0], [np.float32(1e-40), 3]], np.float32),
        "empty": np.zeros((2, 0), np.float32),
        "count": np.array(-5, np.int64),
    }
    path = tmp_path / "part"
    path.write_bytes(encode(part))
    opened = open_part(path, tensors_of(part))
    for name, array in part.items():
        assert opened[name].shape == array.shape
        assert opened[name].tobytes() == array.tobytes()
        assert not opened[name].flags.writeable


def test_the_digest_of_known_weights_is_known() -> None:
    part: dict[str, Array] = {
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bias": np.array([0.5, -0.0], np.float32),
        "steps": np.array(7, np.int64),
    }
    assert digest(part) == KNOWN
    assert hashlib.sha256(encode(part)).hexdigest() == KNOWN


@CALM
@given(PARTS, st.randoms())
def test_neither_order_nor_memory_layout_matters(part: dict[str, Array], random: Random) -> None:
    names = list(part)
    random.shuffle(names)
    assert digest({name: part[name].copy(order="F") for name in names}) == digest(part)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.dtype(">f4")])
def test_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(Refusal, match="only float32 weights and int64 counters are kept"):
        encode({"weight": np.zeros(2, dtype)})


def file_of(entries: object, data: bytes = b"") -> bytes:
    text = json.dumps(entries, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data


TENSORS = [Tensor(name="bias", shape=(2,)), Tensor(name="weight", shape=(2, 3))]
BIAS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
WEIGHT = {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]}


@pytest.mark.parametrize(
    ("received", "sentence"),
    [
        (b"", "it is no safetensors file"),
        (b"\x80\x04pickled weights", "it is no safetensors file"),
        (file_of([]), "it is no safetensors file"),
        (file_of({"bias": BIAS}), "tensor weight is missing"),
        (file_of({"bias": BIAS, "weight": WEIGHT, "../../x": BIAS}), r"tensor '\.\./\.\./x' is not part of it"),
        (file_of({"": BIAS, "bias": BIAS, "weight": WEIGHT}), "tensor '' is not part of it"),
        (file_of({"__metadata__": {"a": "b"}, "bias": BIAS, "weight": WEIGHT}), "tensor '__metadata__' is not part"),
        (
            file_of({"bias": BIAS, "weight": {**WEIGHT, "shape": [3, 2]}}),
            r"weight has shape \[3, 2\] instead of \[2, 3\]",
        ),
        (file_of({"bias": BIAS, "weight": {**WEIGHT, "dtype": "F16"}}), "tensor weight is F16 instead of F32"),
        (file_of({"bias": BIAS, "weight": 5}), "tensor weight is missing"),
        (file_of({"weight": WEIGHT, "bias": BIAS}), "not in canonical order"),
        ((10**6).to_bytes(8, "little") + b"[" * 10**6, "other tensors than expected"),
    ],
)
def test_a_foreign_header_is_refused_by_its_first_difference(received: bytes, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        complain(received, TENSORS, "the file")


def test_a_file_of_another_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(header(TENSORS) + bytes(33))
    with pytest.raises(Refusal, match="its header promises"):
        open_part(path, TENSORS)
