"""Laws of inspected weights: inner products are numpy's, depend on no order, and need the same memory for any files."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.inspection import Gram, triangle
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, digest, encode
from ratatouille.weights.inspect import BLOCK, PIECE, products, trained

TENSORS = (
    Tensor(name="a.weight", shape=(3, BLOCK // 2 + 7)),
    Tensor(name="bn.running_mean", shape=(5,), buffer=True),
    Tensor(name="bn.steps", dtype="I64", buffer=True),
    Tensor(name="z.weight", shape=(PIECE // 4 + 11,)),
)


def write(folder: Path, seed: int) -> str:
    """A file of random weights with buffers that are random too; returns its digest."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {
        one.name: np.array(seed, np.int64)
        if one.dtype == "I64"
        else generator.standard_normal(one.shape, dtype=np.float32)
        for one in TENSORS
    }
    (folder / digest(arrays)).write_bytes(encode(arrays))
    return digest(arrays)


def flat(folder: Path, name: str) -> Array:
    """The trained values of a file, in its order."""
    from ratatouille.weights.canonical import open_part

    arrays = open_part(folder / name, TENSORS)
    return np.concatenate([arrays[one.name].reshape(-1) for one in TENSORS if not one.buffer]).astype(np.float64)


def matrix(folder: Path, origin: str, vectors: Sequence[str]) -> Array:
    return products({one: folder / one for one in {origin, *vectors}}, origin, vectors, TENSORS)


def test_the_products_are_those_of_numpy_without_buffers(tmp_path: Path) -> None:
    origin, *others = [write(tmp_path, seed) for seed in range(5)]
    found = matrix(tmp_path, origin, others)
    moved = np.stack([flat(tmp_path, one) - flat(tmp_path, origin) for one in others])
    assert np.allclose(found, moved @ moved.T, rtol=1e-12, atol=1e-9)
    assert trained(TENSORS) == moved.shape[1]


def test_neither_the_order_nor_the_number_of_files_changes_a_bit(tmp_path: Path) -> None:
    origin, *others = [write(tmp_path, seed) for seed in range(40)]
    found = matrix(tmp_path, origin, others)
    shuffled = random.Random(1).sample(others, len(others))
    again = matrix(tmp_path, origin, shuffled)
    places = [others.index(one) for one in shuffled]
    assert again.tobytes() == found[np.ix_(places, places)].tobytes()
    two = matrix(tmp_path, origin, others[3:5])
    assert two.tobytes() == found[3:5, 3:5].tobytes()


def test_equal_weights_have_no_distance_and_the_origin_has_not_moved(tmp_path: Path) -> None:
    origin, one, other = [write(tmp_path, seed) for seed in range(3)]
    found = matrix(tmp_path, origin, [one, other, one, origin])
    gram = Gram(ids=tuple(f"{n:064d}" for n in range(4)), elements=1, products=triangle(found.tolist()))
    first, second, copy, still = gram.ids
    assert gram.distance(first, copy) == gram.product(still, still) == 0
    apart = float(np.linalg.norm(flat(tmp_path, one) - flat(tmp_path, other)))
    assert gram.distance(first, second) == pytest.approx(apart, rel=1e-9)
    assert gram.cosine((first, still), (copy, still)) == pytest.approx(1)
    assert gram.cosine((first, second), (second, first)) == pytest.approx(-1)
    assert gram.cosine((first, copy), (second, still)) is None


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    origin = write(tmp_path, 0)
    with pytest.raises(Refusal, match="is not a canonical file of this architecture"):
        products({origin: tmp_path / origin}, origin, [origin], TENSORS[:1])


SCRIPT = """
import sys
from pathlib import Path
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.inspect import products
anonymous = lambda: sum(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
files = {Path(name).name: Path(name) for name in sys.argv[1:]}
peak, before = 0, anonymous()
def proceed():
    global peak
    peak = max(peak, anonymous())
products(files, min(files), sorted(files), [Tensor(name="w", shape=(2**20,))], proceed)
print(peak - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory of a process there")
def test_memory_of_fifty_files_is_a_few_blocks_of_each(tmp_path: Path) -> None:
    paths = []
    for seed in range(50):
        part: dict[str, Array] = {"w": np.full(2**20, seed, np.float32)}
        path = tmp_path / digest(part)
        path.write_bytes(encode(part))
        paths.append(str(path))
    done = subprocess.run([sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 48 * 1024, "kilobytes; the files have 200 MiB"
