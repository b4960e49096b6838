"""What is said of diversity: by hand where numbers are few, by simulation where kinds are many."""

import numpy as np
import pytest

from ratatouille.analysis.diversity import diversity, table
from ratatouille.recipes.counting import Average, Averages, Pool, PoolMember, SideCounts
from ratatouille.recipes.study_diversity import DiversityStudy
from tests.ratatouille.analysis.counting import Right, counted, rights
from tests.ratatouille.recipes.simulation import a_round, run

NONE = Averages((), SideCounts(()), SideCounts(()))


def pool_of(right: Right, *starts: str) -> Pool:
    found = counted(("ink", right))
    return Pool(tuple(PoolMember(start, number) for number, start in enumerate(starts)), found, found)


def test_the_gain_of_a_pair_is_its_averages_accuracy_less_the_mean_of_the_two() -> None:
    pool = pool_of(rights(["1100000000", "1110000000"]), "foundation", "foundation")
    pairs = Averages((Average((0, 1)),), SideCounts(()), counted(("ink", rights(["1111100000"]))))
    found = diversity(DiversityStudy(pool, pairs, NONE, ()), "accuracy")
    assert found.pairs[0].gain == pytest.approx(0.5 - (0.2 + 0.3) / 2)
    assert found.gain is None
    assert "All pairs have one start" in found.sentence
    assert "+25.0 points over their mean; so few pairs do not tell" in found.sentence


def drawn(alike: dict[str, float], runs: int = 6, images: int = 4000) -> Pool:
    """Runs of two starts; those of one start copy a share of what their start has."""
    generator = np.random.default_rng(1)
    rows, starts = [], []
    for start, share in alike.items():
        common = generator.random(images) < 0.7
        for _ in range(runs):
            rows.append(np.where(generator.random(images) < share, common, generator.random(images) < 0.7))
            starts.append(start)
    return pool_of(np.array(rows), *starts)


def test_runs_that_err_alike_by_start_are_said_to_be_more_diverse_across_starts() -> None:
    found = diversity(DiversityStudy(drawn({"foundation": 0.7, "clay": 0.7}), NONE, NONE, ()), "accuracy")
    assert found.difference is not None
    assert found.difference.low > 0
    assert found.sentence.startswith("Runs of different starts err more differently: q-diversity")
    assert {one.kind: one.pairs for one in found.means} == {
        "foundation twice": 15,
        "one auxiliary task twice": 15,
        "different starts": 36,
    }


def test_independent_runs_leave_it_open_whether_starts_matter() -> None:
    found = diversity(DiversityStudy(drawn({"foundation": 0.0, "clay": 0.0}, images=300), NONE, NONE, ()), "accuracy")
    assert found.sentence.startswith("Whether runs of different starts err more differently cannot be told")


def test_gains_that_rise_with_diversity_are_fitted_and_said() -> None:
    pool = drawn({"foundation": 0.8, "clay": 0.3})
    singles = pool.held_out.parts[0]
    members = [(one.first, one.second) for one in diversity(DiversityStudy(pool, NONE, NONE, ()), "accuracy").pairs]
    q = {
        (one.first, one.second): one.held_out.q_diversity or 0.0
        for one in diversity(DiversityStudy(pool, NONE, NONE, ()), "accuracy").pairs
    }
    rows = []
    for first, second in members:
        base = (singles.networks[first][0].correct + singles.networks[second][0].correct) / 2
        rows.append(np.arange(4000) < base + 400 * q[first, second])
    pairs = Averages(tuple(map(Average, members)), SideCounts(()), counted(("ink", np.array(rows))))
    found = diversity(DiversityStudy(pool, pairs, NONE, ()), "accuracy")
    assert found.slope is not None
    assert found.slope[1] == pytest.approx(0.1, rel=0.02)
    assert found.gain is not None
    assert found.gain.low > 0.9
    assert "and more the more differently they err (r = 1.00" in found.sentence


def test_shares_of_foreign_starts_are_means_over_draws() -> None:
    pool = pool_of(rights(["10", "10", "01", "01"]), "foundation", "foundation", "clay", "wool")
    means = (Average((0, 1)), Average((0, 2)), Average((1, 3)), Average((2, 3)))
    right = np.array([np.arange(100) < count for count in (50, 90, 70, 40)])
    mixed = Averages(means, SideCounts(()), counted(("ink", right)))
    found = diversity(DiversityStudy(pool, NONE, mixed, ()), "accuracy")
    assert [(one.size, one.foreign, one.draws, one.held_out) for one in found.mixed] == [
        (2, 0, 1, 0.5),
        (2, 1, 2, pytest.approx(0.8)),
        (2, 2, 1, 0.4),
    ]
    assert found.mixed[0].spread is None
    assert found.mixed[1].spread == pytest.approx(np.std([0.9, 0.7], ddof=1))
    assert "With M = 2, 1 of 2 auxiliary starts do best, 30.0 points ahead of 0 of 2: more than noise" in found.sentence


def test_a_simulated_study_fills_every_row_of_its_table() -> None:
    found, _ = run(a_round("wx", ("soup", "ratatouille"), analyses=("diversity",)))
    measured = diversity(found.studies["diversity"], "accuracy")
    shown = table(measured)
    assert {row[0] for row in shown.rows} == {
        "pairs",
        "averages",
        "pair",
        *(f"pairs at step {at}" for at in (40, 80, 120, 160)),
    }
    assert all(row[0] != "pair" for row in shown.rows[: shown.first])
    assert all(one.held_out.feature_diversity == 0.5 for one in measured.means)


def test_one_run_or_no_image_ends_in_a_sentence() -> None:
    lonely = diversity(DiversityStudy(pool_of(rights(["10"]), "foundation"), NONE, NONE, ()), "accuracy")
    assert lonely.sentence == "One run is no pair: diversity needs more runs."
    blind = Pool((PoolMember("foundation", 0), PoolMember("clay", 1)), SideCounts(()), SideCounts(()))
    assert diversity(DiversityStudy(blind, NONE, NONE, ()), "accuracy").sentence.startswith("No held-out image tells")
