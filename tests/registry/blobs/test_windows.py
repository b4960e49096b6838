from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratatouille.record import sha256
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, encode
from ratatouille.weights.combine import Term, combine_files
from registry.blobs import windows as module
from registry.blobs.folder import FolderStore
from registry.blobs.opening import open_store
from registry.blobs.store import BlobStore, Lost
from registry.blobs.windows import windows

ROOT = Path(__file__).parents[3]
TENSORS = [
    Tensor(name="w", shape=(70_001,)),
    Tensor(name="mean", shape=(5,), buffer=True),
    Tensor(name="count", dtype="I64", buffer=True),
]


def part(seed: int) -> bytes:
    arrays: dict[str, Array] = {
        "w": np.random.default_rng(seed).standard_normal(70_001, dtype=np.float32),
        "mean": np.arange(5, dtype=np.float32),
        "count": np.array(7, np.int64),
    }
    return encode(arrays)


Put = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return open_store(f"memory://{tmp_path.name}")


@pytest.fixture
def put(store: BlobStore, tmp_path: Path) -> Put:
    """Stores bytes under their digest, or under another name; the file stays."""

    def put(data: bytes, digest: str = "") -> str:
        path = tmp_path / (digest or sha256(data))
        path.write_bytes(data)
        store.remove(path.name)
        store.put(path, path.name)
        return path.name

    return put


def mean(store: BlobStore, digests: Sequence[str], path: Path) -> str:
    with windows(store, digests) as opened, path.open("wb") as output:
        return combine_files([Term(digest, opened[digest]) for digest in digests], TENSORS, output)


@pytest.mark.parametrize("budget", [1, 2**20, 2**30])
def test_an_average_through_windows_of_any_size_has_the_bits_of_one_over_files(
    store: BlobStore, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(module, "BUDGET", budget)
    digests = [put(part(seed)) for seed in range(5)]
    with (tmp_path / "expected").open("wb") as output:
        expected = combine_files([Term(digest, tmp_path / digest) for digest in digests], TENSORS, output)
    assert mean(store, digests, tmp_path / "mean") == expected
    assert (tmp_path / "mean").read_bytes() == (tmp_path / "expected").read_bytes()


@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(1, 300_000), min_size=1, max_size=9))
def test_whatever_is_taken_at_once_comes_in_order(lengths: list[int]) -> None:
    data = np.random.default_rng(0).bytes(sum(lengths))
    digest, store = sha256(data), open_store("memory://in-order")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        store.put(Path(file.name), digest)
    with windows(store, [digest]) as opened:
        assert opened[digest].size == len(data)
        assert b"".join(opened[digest].take(length).tobytes() for length in lengths) == data


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


BUFFER = part(0).index(np.arange(5, dtype=np.float32).tobytes())


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", part(0)[:20], part(0)[:-4], part(0) + b"more", part(9)),
        *(changed(part(0), 30), changed(part(0), BUFFER), changed(part(0), len(part(0)) - 1)),
    ],
    ids=["empty", "no header", "truncated", "longer", "swapped", "in the header", "in a buffer", "in the last byte"],
)
def test_bytes_that_are_not_what_their_name_says_are_named_whatever_they_break(
    store: BlobStore, put: Put, tmp_path: Path, bad: bytes
) -> None:
    digests = [put(part(seed)) for seed in range(3)]
    put(bad, digests[0])
    with pytest.raises(Lost, match=f"weights {digests[0][:12]}… are damaged in the registry's store"):
        mean(store, digests, tmp_path / "mean")


def test_a_blob_that_is_missing_is_named(store: BlobStore, put: Put, tmp_path: Path) -> None:
    digests = [put(part(0)), sha256(b"nothing")]
    with pytest.raises(Lost, match=f"weights {digests[1][:12]}… are missing"):
        mean(store, digests, tmp_path / "mean")


SCRIPT = """
import sys
from pathlib import Path
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.combine import Term, combine_files
from registry.blobs import windows as module
from registry.blobs.folder import FolderStore
module.BUDGET = 32 * 2**20
store, digests = FolderStore(Path(sys.argv[1])), sys.argv[2:]
tensors = [Tensor(name="w", shape=(4 * 2**20,))]
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
before, peak = anonymous(), 0
class Output:
    def write(self, data):
        global peak
        peak = max(peak, anonymous())
with module.windows(store, digests) as opened:
    combine_files([Term(digest, opened[digest]) for digest in digests], tensors, Output())
print(peak - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory of a process there")
@pytest.mark.parametrize("count", [4, 16])
def test_memory_stays_within_the_budget_for_any_number_of_files(tmp_path: Path, count: int) -> None:
    store, digests = FolderStore(tmp_path / "store"), []
    for seed in range(count):
        path = tmp_path / "file"
        path.write_bytes(encode({"w": np.full(4 * 2**20, seed, np.float32)}))
        digests.append(sha256(path.read_bytes()))
        store.put(path, digests[-1])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "store"), *digests],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.stderr == ""
    assert int(done.stdout) < 64 * 2**20
