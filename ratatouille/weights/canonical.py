"""The one file form of a part: little-endian contiguous safetensors, as the pinned library orders it, no metadata.

One value, one sequence of bytes: a file's SHA-256 is the identity of the weights. Since the tensors that a part must
have are always known beforehand (from its architecture), a file from outside is not interpreted: its header must equal,
byte for byte, the header that we would write. safetensors itself accepts NaN, duplicate keys, empty names and names
such as `../../x`; none of these can pass here. A file is read as arrays (`open_part`), or as `Contents` once from the
beginning to the end: memory-mapped on this machine, and by a reader of the registry's own where it lies elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor

Array = NDArray[Any]
"""float32 or int64; nothing else is kept. (`precision` of a protocol is how trainings compute, not what is kept.)"""
NUMPY: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
LARGEST_HEADER = 8 * 2**20


def in_order(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The order in the file: wider types first, then by name (safetensors keeps data aligned this way)."""
    return sorted(tensors, key=lambda tensor: (-NUMPY[tensor.dtype].itemsize, tensor.name))


def header(tensors: Iterable[Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The header of the canonical file, with its eight bytes of length in front.

    `metadata` is for files that are read by others (`whole`); a canonical file has none.
    """
    entries: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    offset = 0
    for tensor in in_order(tensors):
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def size(tensors: Sequence[Tensor]) -> int:
    """Size in bytes of the canonical file of these tensors."""
    return len(header(tensors)) + sum(tensor.nbytes for tensor in tensors)


def encode(arrays: Mapping[str, Array]) -> bytes:
    """The canonical file of a part.

    Raises:
        Refusal: for a type other than float32 or int64.
    """
    contiguous = {}
    for name, array in arrays.items():
        if array.dtype not in NUMPY.values():
            raise Refusal(f"tensor {name} is {array.dtype}; only float32 weights and int64 counters are kept")
        contiguous[name] = array if array.ndim == 0 else np.ascontiguousarray(array)
    return bytes(save(contiguous))


def stream(
    tensors: Sequence[Tensor], arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """The bytes of `encode`, a tensor at a time: `arrays` may read each one when it is asked for."""
    yield header(tensors, metadata)
    for tensor in in_order(tensors):
        yield arrays[tensor.name].astype(NUMPY[tensor.dtype], copy=False).tobytes()


def digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of the canonical file."""
    return hashlib.sha256(encode(arrays)).hexdigest()


def open_part(path: Path, tensors: Sequence[Tensor]) -> dict[str, Array]:
    """The tensors of a canonical file as read-only views of memory-mapped bytes.

    Raises:
        Refusal: when the header is not the one that these tensors have, or the length differs.
    """
    expected = header(tensors)
    with path.open("rb") as file:
        complain(file.read(len(expected)), tensors, path.name)
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if len(view) != size(tensors):
        raise Refusal(
            f"{path.name} has {len(view)} bytes; its header promises {size(tensors)}", code="weights-unusable"
        )
    arrays: dict[str, Array] = {}
    offset = len(expected)
    for tensor in in_order(tensors):
        block = view[offset : offset + tensor.nbytes]
        arrays[tensor.name] = np.frombuffer(block, dtype=NUMPY[tensor.dtype]).reshape(tensor.shape)
        offset += tensor.nbytes
    return arrays


def complain(received: bytes, tensors: Iterable[Tensor], what: str) -> None:
    """Refuse a header that differs from the one of `tensors`, naming the first difference."""
    if received == header(tensors):
        return
    raise Refusal(
        f"{what} is not a canonical file of this architecture: {_difference(received, list(tensors))}",
        code="weights-unusable",
    )


def _difference(received: bytes, tensors: list[Tensor]) -> str:
    length = int.from_bytes(received[:8], "little")
    if not 2 <= length <= LARGEST_HEADER:
        return "it is no safetensors file"
    try:
        entries = json.loads(received[8 : 8 + length])
    except (ValueError, RecursionError):  # a longer header than expected is cut: it cannot be parsed, and need not be
        return "other tensors than expected"
    if not isinstance(entries, dict):
        return "it is no safetensors file"
    wanted = {tensor.name: tensor for tensor in tensors}
    for name in sorted(wanted.keys() | entries.keys()):
        entry = entries.get(name)
        if name not in wanted:
            return f"tensor {name[:80]!r} is not part of it"
        if not isinstance(entry, dict):
            return f"tensor {name} is missing"
        if entry.get("shape") != list(wanted[name].shape):
            return f"tensor {name} has shape {str(entry.get('shape'))[:40]} instead of {list(wanted[name].shape)}"
        if entry.get("dtype") != wanted[name].dtype:
            return f"tensor {name} is {str(entry.get('dtype'))[:20]} instead of {wanted[name].dtype}"
    return "its tensors are not in canonical order; re-encode it"


LARGEST = 2**31
"""More bytes than any caller takes at once."""


class Contents(Protocol):
    """A file's bytes in order."""

    size: int
    window: int
    """The most that should be taken at once."""

    def take(self, length: int) -> Array:
        """The next bytes; they stay what they are while they are in use."""


class Mapped:
    """The contents of a memory-mapped file; what is taken is a view."""

    window = LARGEST

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
        self._bytes = np.frombuffer(mapped, np.uint8)
        self._taken = 0

    def take(self, length: int) -> Array:
        """The next bytes."""
        self._taken += length
        return self._bytes[self._taken - length : self._taken]


def behind_header(source: Path | Contents, tensors: Sequence[Tensor], name: str) -> Contents:
    """The contents of the canonical file of these tensors, from its first tensor on.

    Raises:
        Refusal: when the header is another one, or the length differs.
    """
    contents = Mapped(source) if isinstance(source, Path) else source
    beginning = header(tensors)
    if contents.size >= len(beginning):
        complain(contents.take(len(beginning)).tobytes(), tensors, name)
    if contents.size != size(tensors):
        raise Refusal(f"{name} has {contents.size} bytes; its header promises {size(tensors)}")
    return contents
