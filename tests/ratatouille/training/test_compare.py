"""Comparisons: endpoints, mixtures, ensembles and pairs, against what they are by definition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, KeepLast, Mixture, Weighted
from ratatouille.exchange.receipt import Comparison
from ratatouille.training.compare import linear_cka
from ratatouille.training.network import save_part
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import open_part
from ratatouille.weights.combine import Term, combine_files
from tests.ratatouille.training.setup import TrainingSetup

CELLS = tuple(Cell(domain=domain, split="validation") for domain in ("day", "night"))


class Two:
    """The start weights and those of a run from there."""

    def __init__(self, setup: TrainingSetup, folder: Path) -> None:
        self.setup, self.folder = setup, folder
        run = setup.perform(setup.fine_tune(keep=KeepLast(), learning_rate=0.01), folder)
        assert run.featurizer is not None
        assert run.head is not None
        self.parts = [(setup.digests["featurizer"], setup.digests["head"]), (run.featurizer, run.head)]
        self.files = {**setup.start, **run.files}

    def mixture(self, *coefficients: float) -> Mixture:
        pairs = [(part, share) for part, share in zip(self.parts, coefficients, strict=True) if share]
        return Mixture(
            featurizer=tuple(Weighted(part=part[0], coefficient=share) for part, share in pairs),
            head=tuple(Weighted(part=part[1], coefficient=share) for part, share in pairs),
        )

    def compare(self, *networks: Mixture, **changes: bool) -> Comparison:
        found = self.setup.perform(self.setup.compare(*networks, **changes), self.folder, self.files).comparison
        assert found is not None
        return found


@pytest.fixture(scope="module")
def two(setup: TrainingSetup, tmp_path_factory: pytest.TempPathFactory) -> Two:
    return Two(setup, tmp_path_factory.mktemp("two"))


def test_the_ends_of_a_curve_are_the_versions_own_evaluations(two: Two) -> None:
    found = two.compare(two.mixture(1.0, 0.0), two.mixture(0.5, 0.5), two.mixture(0.0, 1.0))
    for parts, counted in zip(two.parts, (found.networks[0], found.networks[-1]), strict=True):
        question = two.setup.evaluate(*CELLS, featurizer=parts[0], head=parts[1])
        assert two.setup.perform(question, two.folder, two.files).evaluations == counted


def test_a_mixture_counts_as_the_combined_version_does(two: Two, tmp_path: Path) -> None:
    files = {}
    for part, at in (("featurizer", 0), ("head", 1)):
        terms = [Term(one[at], two.files[one[at]], share) for one, share in zip(two.parts, (0.25, 0.75), strict=True)]
        tensors = two.setup.architecture.part(part, 3)  # type: ignore[arg-type]
        with (tmp_path / part).open("wb") as output:
            files[combine_files(terms, tensors, output)] = tmp_path / part
    featurizer, head = files
    whole = two.setup.evaluate(*CELLS, featurizer=featurizer, head=head)
    counted = two.setup.perform(whole, two.folder, files).evaluations
    assert two.compare(two.mixture(0.25, 0.75)).networks == (counted,)


def test_parts_are_mixed_apart_so_that_a_fixed_head_can_sit_on_mixed_featurizers(two: Two) -> None:
    both, swapped = two.mixture(0.5, 0.5), two.mixture(1, 0)
    found = two.compare(Mixture(featurizer=both.featurizer, head=swapped.head), both)
    assert [one.count for one in found.networks[0]] == [one.count for one in found.networks[1]]


def test_an_ensemble_of_one_network_twice_is_that_network(two: Two) -> None:
    alone = two.mixture(0, 1)
    found = two.compare(alone, alone, ensemble=True, pairs=True, features=True)
    assert found.ensemble == found.networks[0] == found.networks[1]
    for pair, counted in zip(found.pairs, found.networks[0], strict=True):
        assert (pair.both, pair.only_first, pair.only_second) == (counted.correct, 0, 0)
        assert pair.neither == counted.count - counted.correct
        assert pair.cka == pytest.approx(1.0)


def test_pairs_add_up_to_what_each_network_gets_right(two: Two) -> None:
    found = two.compare(two.mixture(1, 0), two.mixture(0, 1), two.mixture(0.5, 0.5), pairs=True)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)] * len(CELLS)
    for pair in found.pairs:
        at = CELLS.index(pair.cell)
        assert pair.both + pair.only_first == found.networks[pair.first][at].correct
        assert pair.both + pair.only_second == found.networks[pair.second][at].correct


def test_cells_without_images_have_no_pairs_and_counts_of_zero(two: Two) -> None:
    empty = (Cell(domain="day", split="test"),)
    found = two.setup.perform(
        two.setup.compare(two.mixture(1, 0), two.mixture(0, 1), cells=empty, pairs=True, ensemble=True),
        two.folder,
        two.files,
    ).comparison
    assert found is not None
    assert found.pairs == ()
    assert {one.count for row in (*found.networks, found.ensemble) for one in row} == {0}


def test_a_mixture_that_is_not_finite_is_refused(two: Two, tmp_path: Path) -> None:
    digest = two.parts[0][0]
    broken = {name: np.array(array) for name, array in open_part(two.files[digest], _tensors(two)).items()}
    broken["bn1.bias"][0] = np.inf
    bad, path = save_part(broken, tmp_path)
    mixture = Mixture(featurizer=(Weighted(part=bad),), head=two.mixture(1, 0).head)
    with pytest.raises(Refusal, match=r"the featurizer to compare cannot be used: tensor bn1.bias holds NaN or inf"):
        two.setup.perform(two.setup.compare(mixture), two.folder, {**two.files, bad: path})


def _tensors(two: Two) -> Sequence[Tensor]:
    return two.setup.architecture.part("featurizer", 3)


@given(arrays(np.float32, (7, 3), elements=st.floats(-10, 10, width=32)), st.floats(0.5, 8))
def test_cka_ignores_scale_shift_and_rotation(features: np.ndarray, scale: float) -> None:
    features = features + np.arange(21, dtype=np.float32).reshape(7, 3) ** 2  # never all alike
    turned = features[:, [2, 0, 1]] * np.float32(scale) + np.float32(3)
    assert linear_cka(features, turned) == pytest.approx(1.0, abs=1e-6)


def test_cka_of_wide_and_of_narrow_features_is_the_same_number_and_undefined_for_constant_ones() -> None:
    generator = np.random.default_rng(0)
    x, y = (generator.standard_normal((6, 4)).astype(np.float32) for _ in range(2))
    wide = [np.concatenate([one, np.zeros((6, 20), np.float32)], 1) for one in (x, y)]
    narrow, broad = linear_cka(x, y), linear_cka(*wide)
    assert narrow is not None
    assert 0 < narrow < 1
    assert broad == pytest.approx(narrow)
    assert linear_cka(x, np.ones_like(y)) is None
    assert linear_cka(x[:1], y[:1]) is None
