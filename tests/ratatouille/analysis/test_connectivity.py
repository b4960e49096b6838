"""Curves: where the line between ends runs, how far below it they fall, and what is said of that."""

from dataclasses import replace

import numpy as np
import pytest

from ratatouille.analysis.connectivity import ORDERS, connectivity, side, table
from ratatouille.analysis.drawings import fit
from ratatouille.recipes.counting import SideCounts
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.plan import plan
from ratatouille.recipes.study_connectivity import POINTS, Curve, shares
from ratatouille.tasks.domainbed import DATA_SETS
from tests.ratatouille.analysis.counting import Right, counted
from tests.ratatouille.recipes.simulation import a_round, run

NOTHING = SideCounts(())


def curve(right: Right, ends: tuple[str, ...] = ("a", "b"), kind: str = "hypothesis 2") -> Curve:
    return Curve(kind, ends, NOTHING, counted(("ink", right)))


def first(counts: list[int], images: int) -> Right:
    """Network i is right on the first `counts[i]` images."""
    return np.array([np.arange(images) < count for count in counts])


def test_the_barrier_is_the_largest_shortfall_below_the_line_between_the_ends() -> None:
    # Of 10 images: 8 at λ = 0, 6 at λ = 1, so the line is at 7 in the middle, where the curve has 4.
    found = side(curve(first([8, 8, 8, 8, 8, 4, 7, 7, 7, 7, 6], 10)), validation=False)
    assert found is not None
    assert found.accuracy[0] == 0.8
    assert found.line == pytest.approx([0.8 - 0.02 * point for point in range(11)])
    assert found.barrier.value == pytest.approx(0.3)
    assert found.at == 0.5
    assert found.images == 10


def test_the_interval_of_one_point_is_that_of_its_images_combined_correctness() -> None:
    # Only the middle leaves the line of two equal ends: D is 1 on the 30 of 100 images that it alone gets wrong.
    counts = [80] * 5 + [50] + [80] * 5
    found = side(curve(first(counts, 100)), validation=False)
    assert found is not None
    deviation = np.sqrt(0.3 * 0.7 / 99)
    # One direction moves, so all points together are one point: q is 1.96, but for the noise of drawing.
    assert found.barrier.high - found.barrier.value == pytest.approx(1.96 * deviation, rel=0.03)
    assert found.barrier.value - found.barrier.low == pytest.approx(1.96 * deviation, rel=0.03)
    assert found.verdict == "barrier"


def test_many_points_that_move_alone_have_a_wider_interval_each_than_one() -> None:
    generator = np.random.default_rng(0)
    ends = np.ones((1, 400), bool)
    right = np.concatenate([ends, generator.random((9, 400)) < 0.5, ends])
    found = side(curve(right), validation=False)
    assert found is not None
    short = 1 - right.mean(1)[1:-1]
    deviation = np.sqrt(short * (1 - short) / 399)
    lowest, highest = float((short - 2.6 * deviation).max()), float((short + 2.95 * deviation).max())
    assert lowest > found.barrier.low > float((short - 2.95 * deviation).max())
    assert highest > found.barrier.high > float((short + 2.6 * deviation).max())  # 2.77 of nine independent points


@pytest.mark.parametrize(
    ("middle", "verdict"), [(90, "holds"), (80, "holds"), (79, "unclear"), (60, "barrier"), (0, "barrier")]
)
def test_a_curve_holds_is_unclear_or_has_a_barrier(middle: int, verdict: str) -> None:
    found = side(curve(first([80] * 5 + [middle] + [80] * 5, 100)), validation=False)
    assert found is not None
    assert found.verdict == verdict


def test_three_ways_mix_the_scores_of_three_ends_as_their_weights() -> None:
    assert shares(0.4, 3) == pytest.approx((0.4, 0.3, 0.3))
    # λ = 1 is the first alone (9 of 10); the second and third alone have 7 and 5; their average, at λ = 0, has 3.
    found = side(curve(first([3, *[9] * 10, 7, 5], 10), ("a", "b", "c")), validation=False)
    assert found is not None
    assert found.line[0] == pytest.approx(0.6)
    assert found.line[10] == pytest.approx(0.9)
    assert found.line[5] == pytest.approx(0.75)
    assert len(found.accuracy) == 11
    assert found.barrier.value == pytest.approx(0.3)
    assert found.at == 0.0


def test_identical_networks_have_no_barrier_and_no_noise() -> None:
    found = side(curve(np.tile(np.arange(20) < 13, (11, 1))), validation=False)
    assert found is not None
    assert found.barrier.model_dump() == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found.verdict == "holds"


def test_the_ends_of_every_simulated_curve_count_as_the_versions_do() -> None:
    numbers = {"ink": 3, "clay": 8, "wool": 6}
    round = a_round("xyz", ("soup", "ratatouille"), analyses=("connectivity",))
    found, facts = run(round, lambda order, cell: numbers[cell.domain])
    measured = connectivity(found.studies["connectivity"])
    for line in measured.lines:
        for one in (line.validation, line.held_out):
            assert one is not None
            assert one.meets_ends is (None if line.kind == "hypothesis 1" else True)
            assert (one.accuracy[0], one.accuracy[-1]) == (one.line[0], one.line[-1])
    # A version that counted otherwise is noticed.
    wrong: Curve = next(one for one in found.studies["connectivity"] if one.kind == "hypothesis 2")
    own = wrong.own[0]
    assert isinstance(own, Candidate)
    assert own.held_out is not None
    other = replace(own, held_out=tuple(one.model_copy(update={"confusion": ((1, 9), (0, 0))}) for one in own.held_out))
    broken = connectivity([replace(wrong, own=(other, wrong.own[1]))])
    assert broken.lines[0].held_out is not None
    assert broken.lines[0].held_out.meets_ends is False
    assert "do not count as the versions themselves did" in broken.sentence
    assert plan(round, facts).done


def test_the_sentence_says_how_many_hold_and_how_large_the_largest_barrier_is() -> None:
    flat, low = first([80] * 11, 100), first([80] * 5 + [20] + [80] * 5, 100)
    said = connectivity([curve(flat), curve(low, ("x", "y"))]).sentence
    assert said.startswith("On the held-out images, hypothesis 2: 1 of 2 curves lies on or above the line")
    assert "1 of 2 has a barrier beyond noise (60.0 points, 95 % " in said
    assert said.endswith("x to y).")


def test_without_images_or_curves_it_says_so() -> None:
    assert "no two networks" in connectivity([]).sentence
    bare = connectivity([Curve("observation 2", ("a", "b"), NOTHING, NOTHING)])
    assert bare.sentence == "No image was counted, so the curves say nothing."
    assert table(bare).rows == ()
    inside = connectivity(
        [replace(curve(first([8] * 11, 10)), held_out=NOTHING, validation=curve(first([8] * 11, 10)).held_out)]
    )
    assert inside.sentence.startswith("On validation images, since nothing is held out")


def test_the_table_has_every_point_in_its_csv() -> None:
    found = table(connectivity([curve(first([8] * 11, 10))]))
    header, row = found.csv().splitlines()
    assert header.split(",")[-len(POINTS) :] == [f"accuracy at {at:g}" for at in POINTS]
    assert row.split(",")[-len(POINTS) :] == ["0.8"] * len(POINTS)
    assert found.shown()[0][:4] == ["hypothesis 2", "a to b", "held out", "10"]


def test_the_figure_s_line_is_the_least_squares_polynomial_of_the_target_s_order() -> None:
    cubic = [0.5 + 0.3 * at - 0.7 * at**2 + 0.2 * at**3 for at in POINTS]
    np.testing.assert_allclose(fit(cubic, 3, POINTS), cubic, atol=1e-12)
    # One order less: a known answer, from numpy's own normal equations.
    design = np.vander(POINTS, 3)
    expected = design @ np.linalg.lstsq(design, np.asarray(cubic), rcond=None)[0]
    np.testing.assert_allclose(fit(cubic, 2, POINTS), expected, atol=1e-12)
    orders = {target: connectivity([], target).order for target in ("pacs", "terra-incognita", "camelyon17-wilds")}
    assert orders == {"pacs": 3, "terra-incognita": 4, "camelyon17-wilds": 5}
    assert set(ORDERS) <= set(DATA_SETS)
