"""Laws and known answers of the methods of combining: order, trimming, balance, memory."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ratatouille.errors import Refusal
from ratatouille.weights import methods
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, digest, encode
from ratatouille.weights.combine import Term, combine_files
from ratatouille.weights.methods import METHODS, balanced_counts, cut_of, method_named, trimmed_mean, weighted_mean

CALM = settings(deadline=None, max_examples=60)
FLOATS = st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100, allow_nan=False)
SHARES = st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.49])
TENSORS = [Tensor(name="w", shape=(7,)), Tensor(name="count", dtype="I64", buffer=True)]


def trimmed(arrays: Sequence[Array], share: float) -> Array:
    return trimmed_mean(arrays, [1] * len(arrays), {"share": share})


def over_files(arrays: Sequence[Array], method: str, parameters: dict[str, Any], order: Sequence[int]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        terms = []
        for array in arrays:
            part: dict[str, Array] = {"w": array, "count": np.array(7, np.int64)}
            path = Path(folder) / digest(part)
            path.write_bytes(encode(part))
            terms.append(Term(path.name, path))
        output = io.BytesIO()
        combine_files([terms[place] for place in order], TENSORS, output, method, parameters)
        return output.getvalue()


def several(most: int) -> st.SearchStrategy[list[Array]]:
    return st.lists(hnp.arrays(np.float32, 7, elements=FLOATS), min_size=1, max_size=most)


@CALM
@given(several(7), SHARES, st.data())
def test_the_order_of_arrival_changes_no_bit_of_a_trimmed_mean(
    arrays: list[Array], share: float, data: st.DataObject
) -> None:
    arrays[0][:2], arrays[-1][1:3] = [-0.0, 0.0], [0.0, -0.0]
    order = data.draw(st.permutations(range(len(arrays))))
    first = over_files(arrays, "trimmed_mean", {"share": share}, range(len(arrays)))
    assert over_files(arrays, "trimmed_mean", {"share": share}, order) == first
    if cut_of(len(arrays), share):  # the values alone decide, not even the digests do
        assert trimmed([arrays[place] for place in order], share).tobytes() == trimmed(arrays, share).tobytes()


@CALM
@given(several(6), st.data())
def test_a_trimmed_mean_that_cuts_nothing_off_is_the_mean_bit_for_bit(arrays: list[Array], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(arrays))))
    mean = over_files(arrays, "mean", {}, range(len(arrays)))
    assert over_files(arrays, "trimmed_mean", {"share": 0.0}, order) == mean
    assert over_files(arrays[:4], "trimmed_mean", {"share": 0.2}, range(len(arrays[:4]))) == over_files(
        arrays[:4], "mean", {}, range(len(arrays[:4]))
    )


@CALM
@given(several(9), SHARES)
def test_a_trimmed_mean_is_that_of_exact_arithmetic(arrays: list[Array], share: float) -> None:
    cut = math.floor(Fraction(str(share)) * len(arrays))
    found = trimmed(arrays, share)
    for element in range(7):
        kept = sorted(float(array[element]) for array in arrays)[cut : len(arrays) - cut]
        exact = float(sum(map(Fraction, kept), Fraction()) / len(kept))
        most = max(map(abs, kept))
        assert abs(float(found[element]) - exact) <= 2.0**-23 * abs(exact) + 2.0**-50 * most + 2.0**-140


def test_known_answers_of_trimmed_means() -> None:
    columns = np.array([[1, 2, 3, 4, 100], [-1e30, 5, 6, 7, 1e30], [0.5, 0.5, 0.5, -3, 9]], np.float32).T
    assert trimmed(list(columns), 0.2).tolist() == [3.0, 6.0, 0.5]
    assert trimmed(list(columns), 0.5).tolist() == [3.0, 6.0, 0.5], "of an odd number the median is left"
    zeros = [np.array([value], np.float32) for value in (-0.0, -0.0, 0.0, 0.0, -0.0)]
    assert np.signbit(trimmed(zeros, 0.4)[0]), "-0 is before 0, so the third of these is -0"


@CALM
@given(several(5), st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=7, max_size=7))
def test_as_many_outliers_as_are_cut_off_leave_every_weight_between_the_others(
    honest: list[Array], strange: list[float]
) -> None:
    arrays = [*honest, np.array(strange, np.float32)]
    found = trimmed([*arrays, *honest], 0.34) if len(honest) == 1 else trimmed(arrays, 0.34)
    low, high = np.min(honest, 0), np.max(honest, 0)
    assert (low <= found).all()
    assert (found <= high).all()


@pytest.mark.parametrize(
    ("count", "share", "cut"), [(10, 0.3, 3), (100, 0.29, 29), (20, 0.2, 4), (6, 0.2, 1), (4, 0.2, 0)]
)
def test_the_share_is_the_decimal_that_is_written(count: int, share: float, cut: int) -> None:
    assert cut_of(count, share) == cut  # ⌊0.29 · 100⌋ in floats is 28


@pytest.mark.parametrize("count", [2, 4, 20])
def test_where_nothing_remains_a_trimmed_mean_is_refused_with_the_way_out(count: int) -> None:
    with pytest.raises(Refusal, match=rf"a trimmed mean of {count} that cuts off 0.5 at each end leaves none; lower"):
        method_named("trimmed_mean").check([1] * count, {"share": 0.5})


@pytest.mark.parametrize("share", [-0.1, 0.6, 0, "0.2", None, True])
def test_a_share_that_is_none_is_refused(share: object) -> None:
    with pytest.raises(Refusal, match=r"a share from 0.0 to 0.5"):
        method_named("trimmed_mean").check([1] * 5, {"share": share})


@pytest.mark.parametrize("coefficients", [[1, 2, 1], [1, 1.0, 1], [0.5, 0.5, 1]])
def test_a_trimmed_mean_counts_every_parent_once(coefficients: list[float]) -> None:
    with pytest.raises(Refusal, match="counts every parent once"):
        method_named("trimmed_mean").check(coefficients, {"share": 0.0})


@pytest.mark.parametrize("name", METHODS)
def test_parameters_that_a_method_does_not_have_are_refused(name: str) -> None:
    with pytest.raises(Refusal, match=f"the method {name} has other parameters"):
        method_named(name).check([1, 1], {"power": 2})


def test_a_method_that_only_newer_releases_know_is_refused_by_name() -> None:
    with pytest.raises(
        Refusal, match=r"the method 'median' of combining is not known .* mean, trimmed_mean, .*upgrade"
    ):
        combine_files([], TENSORS, io.BytesIO(), "median")


def test_the_length_of_blocks_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = list(np.random.default_rng(0).standard_normal((9, 1000), dtype=np.float32))
    whole = trimmed(arrays, 0.2)
    for length in (1, 9, 100, 9 * 333):
        monkeypatch.setattr(methods, "SORTED", length)
        assert trimmed(arrays, 0.2).tobytes() == whole.tobytes()


# -- the balanced mean


def test_counts_are_the_least_whole_numbers_with_which_each_author_counts_once() -> None:
    assert balanced_counts(["anna", "anna", "anna", "ben"]) == [1, 1, 1, 3]
    assert balanced_counts(["anna", "ben", "cleo"]) == [1, 1, 1]
    assert balanced_counts(["anna", "ben", "anna", "ben"]) == [1, 1, 1, 1]
    assert balanced_counts(["a", "a", "b", "b", "b", "c"]) == [3, 3, 2, 2, 2, 6]


@CALM
@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=30))
def test_every_author_has_the_same_share_and_no_smaller_counts_would_do(authors: list[str]) -> None:
    counts = balanced_counts(authors)
    shares: defaultdict[str, Fraction] = defaultdict(Fraction)
    for author, count in zip(authors, counts, strict=True):
        shares[author] += Fraction(count, sum(counts))
    assert set(shares.values()) == {Fraction(1, len(shares))}
    assert math.gcd(*counts) == 1


def test_counts_that_no_record_holds_are_refused() -> None:
    authors = [str(prime) for prime in (2, 3, 5, 7, 11, 13, 17, 19) for _ in range(prime)]
    with pytest.raises(Refusal, match=r"contributors of 2, 3, 5, 7, 11, 13, 17, 19 members cannot count once each"):
        balanced_counts(authors)


@pytest.mark.parametrize(
    ("coefficients", "authors", "sentence"),
    [
        ([1, 1, 1], ["a", "a", "b"], "each author counts once"),
        ([1, 1], ["a"], "each author counts once"),
        ([1.0, 1.0], ["a", "b"], "each author counts once"),
        ([1, 1], "ab", "the list of its parents' authors"),
        ([1, 1], ["a", 2], "the list of its parents' authors"),
        ([1, 1], ["a", "b" * 81], "the list of its parents' authors"),
        ([1, 1], ["a", ""], "the list of its parents' authors"),
        ([1, 1], ["a", "b\0"], "the list of its parents' authors"),
    ],
)
def test_a_balanced_mean_with_other_counts_is_refused(
    coefficients: list[float], authors: object, sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence):
        method_named("balanced_mean").check(coefficients, {"authors": authors})


# -- memory

SCRIPT = """
import sys
import numpy as np
from pathlib import Path
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.combine import Term, combine_files
tensors = [Tensor(name="w", shape=(2**20,))]
terms = [Term(Path(name).name, Path(name)) for name in sys.argv[1:]]
anonymous = lambda: sum(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
peak = 0
class Output:
    def write(self, data):
        global peak
        peak = max(peak, anonymous())
        return len(data)
before = anonymous()
combine_files(terms, tensors, Output(), "trimmed_mean", {"share": 0.2})
print(peak - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory of a process there")
@pytest.mark.parametrize("count", [5, 100])
def test_memory_of_a_trimmed_mean_stays_the_same_for_any_number_of_files(tmp_path: Path, count: int) -> None:
    paths = []
    for seed in range(count):
        part: dict[str, Array] = {"w": np.full(2**20, seed, np.float32)}
        path = tmp_path / digest(part)
        path.write_bytes(encode(part))
        paths.append(str(path))
    done = subprocess.run([sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 48 * 1024, "kilobytes, as a mean takes; a hundred files have 400 MiB"


def test_a_mean_of_one_method_is_a_mean_of_the_other_where_authors_made_one_member_each() -> None:
    arrays = list(np.random.default_rng(0).standard_normal((3, 50), dtype=np.float32))
    counts = balanced_counts(["a", "b", "c"])
    parameters = {"authors": ["a", "b", "c"]}
    balanced = method_named("balanced_mean").reduce(arrays, counts, parameters)
    assert balanced.tobytes() == weighted_mean(arrays, [1, 1, 1]).tobytes()
