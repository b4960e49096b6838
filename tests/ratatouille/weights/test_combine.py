from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, digest, encode, in_order
from ratatouille.weights.combine import Term, combine, combine_files, interpolate, sole
from ratatouille.weights.methods import BLOCK

CALM = settings(deadline=None, max_examples=40)
"""No deadline: tests share the machine."""
FLOATS = st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100, allow_nan=False)
WEIGHTS = hnp.arrays(np.float32, 7, elements=FLOATS)
NONE: frozenset[str] = frozenset()


def part(values: Sequence[float] | Array) -> dict[str, Array]:
    return {"w": np.asarray(values, np.float32)}


def bits(one: dict[str, Array]) -> bytes:
    return encode(one)


def term(folder: Path, one: dict[str, Array], coefficient: int | float = 1) -> Term:
    path = folder / digest(one)
    path.write_bytes(encode(one))
    return Term(path.name, path, coefficient)


def over_files(terms: Sequence[Term], tensors: Sequence[Tensor]) -> bytes:
    output = io.BytesIO()
    promised = combine_files(terms, tensors, output)
    assert promised == hashlib.sha256(output.getvalue()).hexdigest()
    return output.getvalue()


@CALM
@given(st.lists(WEIGHTS, min_size=1, max_size=6), st.data())
def test_the_order_of_arrival_changes_no_bit(arrays: list[Array], data: st.DataObject) -> None:
    coefficients = data.draw(
        st.lists(st.one_of(st.integers(1, 9), st.floats(0.01, 5)), min_size=len(arrays), max_size=len(arrays))
    )
    first = combine([part(array) for array in arrays], coefficients, NONE)
    order = data.draw(st.permutations(range(len(arrays))))
    again = combine([part(arrays[i]) for i in order], [coefficients[i] for i in order], NONE)
    assert bits(first) == bits(again)


@CALM
@given(WEIGHTS, st.lists(st.one_of(st.integers(1, 9), st.floats(-5, 9)), min_size=1, max_size=5))
def test_the_mean_of_identical_weights_is_these_weights(array: Array, coefficients: list[float]) -> None:
    array[0] = -0.0
    if abs(sum(coefficients)) < 1e-9:
        return
    assert bits(combine([part(array)] * len(coefficients), coefficients, NONE)) == bits(part(array))


@CALM
@given(WEIGHTS, WEIGHTS)
def test_the_ends_of_an_interpolation_are_the_ends(start: Array, end: Array) -> None:
    start[0] = end[1] = -0.0
    assert bits(interpolate(part(start), part(end), 0, NONE)) == bits(part(start))
    assert bits(interpolate(part(start), part(end), 1, NONE)) == bits(part(end))


@CALM
@given(st.lists(WEIGHTS, min_size=2, max_size=4), WEIGHTS)
def test_a_zero_coefficient_leaves_no_trace(arrays: list[Array], ignored: Array) -> None:
    kept = combine([part(array) for array in arrays], [1] * len(arrays), NONE)
    parts = [part(array) for array in [*arrays, ignored]]
    assert bits(combine(parts, [*[1] * len(arrays), 0], NONE)) == bits(kept)


def test_the_mean_is_the_exact_mean_rounded_once() -> None:
    arrays = [part([1e8, 1, 3, -1e8]), part([1, 1, 4, 1e8]), part([-1e8, 2, 4, 0.75])]
    assert combine(arrays, [1, 1, 1], NONE)["w"].tolist() == pytest.approx([1 / 3, 4 / 3, 11 / 3, 0.25])
    assert combine(arrays, [1, 0, 2], NONE)["w"][1] == np.float32(5 / 3)
    assert interpolate(part([0, 10]), part([4, 20]), 0.25, NONE)["w"].tolist() == [1, 12.5]


@CALM
@given(st.lists(WEIGHTS, min_size=1, max_size=4), st.data())
def test_files_and_memory_give_the_same_bytes(arrays: list[Array], data: st.DataObject) -> None:
    coefficients = data.draw(st.lists(st.sampled_from([1, 2, 0.5, 1.0]), min_size=len(arrays), max_size=len(arrays)))
    buffers: dict[str, Array] = {"count": np.array(3, np.int64), "mean": np.array([np.nan, -0.0], np.float32)}
    parts: list[dict[str, Array]] = [{**part(array), "v": array[:3].copy(), **buffers} for array in arrays]
    tensors = [
        Tensor(name="w", shape=(7,)),
        Tensor(name="v", shape=(3,)),
        Tensor(name="count", dtype="I64", buffer=True),
        Tensor(name="mean", shape=(2,), buffer=True),
    ]
    with tempfile.TemporaryDirectory() as folder:
        terms = [term(Path(folder), one, each) for one, each in zip(parts, coefficients, strict=True)]
        assert over_files(terms, tensors) == encode(combine(parts, coefficients, frozenset(buffers)))


def test_large_files_that_end_inside_a_block_are_complete(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shapes = {"a": (BLOCK * 5 + 17,), "b": (3,), "c": (BLOCK, 2)}
    parts: list[dict[str, Array]] = [
        {name: generator.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()} for _ in range(3)
    ]
    tensors = [Tensor(name=name, shape=shape) for name, shape in shapes.items()]
    terms = [term(tmp_path, one) for one in parts]
    random.Random(0).shuffle(terms)
    assert over_files(terms, tensors) == encode(combine(parts, [1, 1, 1], NONE))
    expected = sum(one["a"].astype(np.float64) for one in parts) / 3
    assert np.allclose(combine(parts, [1, 1, 1], NONE)["a"], expected, rtol=1e-6, atol=1e-7)


def test_buffers_must_agree_and_stay_what_they_are(tmp_path: Path) -> None:
    tensors = [Tensor(name="count", dtype="I64", buffer=True), Tensor(name="w", shape=(1,))]
    one: dict[str, Array] = {"w": np.ones(1, np.float32), "count": np.array(10, np.int64)}
    two: dict[str, Array] = {"w": np.zeros(1, np.float32), "count": np.array(20, np.int64)}
    with pytest.raises(Refusal, match="buffer count differs"):
        combine_files([term(tmp_path, one), term(tmp_path, two)], tensors, io.BytesIO())
    with pytest.raises(Refusal, match="buffer count differs"):
        combine([one, two], [1, 1], frozenset({"count"}))
    with pytest.raises(Refusal, match="buffer count differs"):  # integers are never averaged, named as buffer or not
        combine([one, two], [1, 1], NONE)
    two["count"] = one["count"]
    assert combine([one, two], [1, 1], NONE)["count"] == 10


def test_nothing_cannot_be_combined() -> None:
    for coefficients in ([], [0], [1, -1], [float("nan")], [float("inf")]):
        with pytest.raises(Refusal, match="nothing to combine"):
            combine([part([index]) for index, _ in enumerate(coefficients)], coefficients, NONE)


def test_unequal_names_and_shapes_are_refused_by_name() -> None:
    others: list[dict[str, Array]] = [{"v": np.zeros(2, np.float32)}, {"w": np.zeros(3, np.float32)}]
    for other in others:
        with pytest.raises(Refusal, match=r"tensor [vw] differs in name or shape"):
            combine([part([1, 2]), other], [1, 1], NONE)


def test_a_result_beyond_float32_is_refused(tmp_path: Path) -> None:
    largest, small = part([3e38]), part([-3e38])
    with pytest.raises(Refusal, match="too large for float32"):
        combine([largest, small], [2, -1], NONE)
    terms = [term(tmp_path, largest, 2), term(tmp_path, small, -1)]
    with pytest.raises(Refusal, match="too large for float32"):
        combine_files(terms, [Tensor(name="w", shape=(1,))], io.BytesIO())


def test_the_sole_file_of_a_mean_is_known_beforehand() -> None:
    assert sole([("one", 1), ("one", 2.5), ("two", 0)]) == "one"
    assert sole([("one", 1), ("two", 1)]) is None


def test_memory_does_not_grow_with_files_or_their_size(tmp_path: Path) -> None:
    tensors = [Tensor(name=f"w{i}", shape=(1024, 1024)) for i in range(8)]
    base: dict[str, Array] = {tensor.name: np.full(tensor.shape, 0.5, np.float32) for tensor in in_order(tensors)}
    paths = []
    for seed in range(6):
        base["w0"] = np.full((1024, 1024), seed, np.float32)
        paths.append(str(term(tmp_path, base).source))
    code = """
import sys
from pathlib import Path
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.combine import Term, combine_files
tensors = [Tensor(name=f"w{i}", shape=(1024, 1024)) for i in range(8)]
terms = [Term(Path(name).name, Path(name)) for name in sys.argv[1:]]
anonymous = lambda: sum(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
peak = 0
class Output:
    def write(self, data):
        global peak
        peak = max(peak, anonymous())
        return len(data)
before = anonymous()
combine_files(terms, tensors, Output())
print(peak - before)
"""
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 48 * 1024, "kilobytes; the six files have 192 MiB"
