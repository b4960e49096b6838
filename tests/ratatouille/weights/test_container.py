"""Safetensors files from anywhere: what is none is named, and tensors are read as they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ratatouille.errors import Refusal
from ratatouille.weights.canonical import Array
from ratatouille.weights.container import Container


def test_tensors_are_read_as_they_were_saved(tmp_path: Path) -> None:
    arrays: dict[str, Array] = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array(7, np.int64),
        "c": np.zeros((0, 2), np.float32),
    }
    save_file(arrays, tmp_path / "x.safetensors", metadata={"by": "someone"})
    found = Container(tmp_path / "x.safetensors")
    assert found.kinds == {"a": ("F32", (2, 3)), "b": ("I64", ()), "c": ("F32", (0, 2))}
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert "d" not in found
    with pytest.raises(KeyError):
        found["d"]


@pytest.mark.parametrize("name", ["weights.pt", "weights.PTH", "pytorch_model.bin", "last.ckpt"])
def test_pickles_are_never_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(Refusal, match=r"is a pickle.*save_file\(model.state_dict\(\)"):
        Container(tmp_path / name)


def with_header(text: str, behind: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text.encode() + behind


def entry(shape: str = "[1]", offsets: str = "[0,4]") -> str:
    return f'{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}'


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "header too small"),
        (b"PK\x03\x04" + b"0" * 100, "its header is too large"),
        (with_header('{"a":1}'), "invalid JSON in header"),
        (with_header("[1]"), "invalid JSON in header"),
        (with_header("{"), "invalid JSON in header"),
        (with_header("[" * 10_000), "invalid JSON in header"),
        (with_header(entry()), "not fully covered"),
        (with_header(entry(), b"00000000"), "not fully covered"),
        (with_header(entry(offsets="[4,8]"), b"00000000"), "invalid offset for tensor `a`"),
        (with_header(entry()[:-1] + "," + entry(offsets="[4,8]")[1:], b"00000000"), "invalid offset for tensor `a`"),
        (with_header(entry(offsets="[-4,0]"), b"0000"), "invalid JSON in header"),
        (with_header(entry(shape="[-1]"), b"0000"), "invalid JSON in header"),
        (with_header(entry(shape="[1.0]"), b"0000"), "invalid JSON in header"),
        (with_header(entry(shape="[2]"), b"0000"), "invalid shape, data type, or offset for tensor"),
    ],
)
def test_other_bytes_are_no_safetensors_file_whatever_they_are_called(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(Refusal, match=sentence):
        Container(tmp_path / "x.safetensors")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no file"):
        Container(tmp_path / "x.safetensors")
