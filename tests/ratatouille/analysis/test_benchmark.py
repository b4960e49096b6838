"""Summaries of benchmarks: what is averaged, what is paired, and what is said."""

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ratatouille.analysis.benchmark import DATA_SETS, PUBLISHED, BenchmarkRound, PairedDifference, published, summarise
from ratatouille.analysis.figures import draw_benchmark
from ratatouille.analysis.intervals import trial_interval
from ratatouille.analysis.report import Report, ReportRow, Score
from ratatouille.recipes.recipe import RECIPES
from ratatouille.tasks.domainbed import DATA_SETS as KNOWN


def row(recipe: str, held_out: float, validation: float = 0.5) -> ReportRow:
    score = Score(value=held_out, margin=0.01, images=100)
    return ReportRow(
        recipe=recipe,
        version="0" * 64,
        featurizer="0" * 64,
        head="0" * 64,
        runs=3,
        wanted=3,
        validation=Score(value=validation, margin=0.01, images=50),
        held_out={"all": score},
        mean_run=held_out - 0.1,
        run_spread=0.01,
        best_run=held_out,
    )


def cell(
    trial: int, domain: str, scores: dict[str, float], setting: str = "", target: str = "shapes"
) -> BenchmarkRound:
    rows = tuple(row(recipe, value) for recipe, value in scores.items())
    table = Report(round="0", name="r", target=target, held_out=(domain,), metric="accuracy", rows=rows, verdict="")
    return BenchmarkRound(target=target, setting=setting, trial=trial, report=table)


def test_a_trials_score_is_the_mean_over_held_out_domains_and_the_interval_is_over_trials() -> None:
    cells = [
        cell(trial, domain, {"vanilla": value + trial / 10})
        for trial in range(3)
        for domain, value in (("ink", 0.2), ("wool", 0.4))
    ]
    line = summarise("b", cells)[0].lines[0]
    assert line.trials == pytest.approx((0.3, 0.4, 0.5))
    assert line.held_out["all"] == trial_interval(line.trials)
    assert line.mean_run is not None
    assert line.mean_run.mean == pytest.approx(0.3)


def test_a_trial_that_lacks_a_domain_does_not_count() -> None:
    cells = [cell(0, "ink", {"vanilla": 0.2}), cell(0, "wool", {"vanilla": 0.4}), cell(1, "ink", {"vanilla": 0.9})]
    summary = summarise("b", cells)[0]
    assert summary.trials == 1
    assert summary.lines[0].trials == pytest.approx((0.3,))


def test_differences_are_paired_by_trial() -> None:
    # each trial has another level; only the difference within a trial is steady
    cells = [cell(t, "ink", {"vanilla": 0.1 * t, "ratatouille": 0.1 * t + 0.02 + 0.001 * t}) for t in range(5)]
    (difference,) = summarise("b", cells)[0].differences
    assert (difference.first, difference.second) == ("ratatouille", "vanilla")
    assert difference.difference.mean == pytest.approx(0.022)
    assert difference.difference.sure
    assert difference.wins == 5
    assert difference.sentence.startswith("ratatouille is ahead of vanilla by 2.2 points")
    assert "more than chance" in difference.sentence


def test_no_sum_of_floats_makes_a_recipe_win_a_trial_that_is_level() -> None:
    # over four domains of 78 images; as sums of floats the two means differ in the last bit
    shares = {"vanilla": (31, 47, 38, 40), "ratatouille": (44, 35, 41, 36)}
    cells = []
    for place, domain in enumerate("abcd"):
        here = cell(0, domain, {recipe: counts[place] / 78 for recipe, counts in shares.items()})
        rows = tuple(
            row.model_copy(update={"held_out": {"all": exact(shares[row.recipe][place])}}) for row in here.report.rows
        )
        cells.append(here.model_copy(update={"report": here.report.model_copy(update={"rows": rows})}))
    summary = summarise("b", cells)[0]
    assert [line.trials for line in summary.lines] == [(0.5,), (0.5,)]
    assert [(one.wins, one.difference.mean) for one in summary.differences] == [(0, 0.0)]


def exact(correct: int) -> Score:
    return Score(value=correct / 78, margin=0.1, images=78, fraction=str(Fraction(correct, 78)))


def test_a_recipe_that_is_the_same_in_both_settings_has_one_line() -> None:
    cells = []
    for trial in range(2):
        cells.append(cell(trial, "ink", {"soup": 0.3, "ratatouille": 0.4 + trial / 10}, "strict"))
        cells.append(cell(trial, "ink", {"soup": 0.3, "ratatouille": 0.5}, "lenient"))
    summary = summarise("b", cells)[0]
    assert [(line.recipe, line.setting) for line in summary.lines] == [
        ("soup", ""),
        ("ratatouille", "strict"),
        ("ratatouille", "lenient"),
    ]
    assert [(one.first, one.second) for one in summary.differences] == [
        ("ratatouille strict", "soup"),
        ("ratatouille strict", "ratatouille lenient"),
        ("ratatouille lenient", "soup"),
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.01, 0.03, 0.02), "soup is ahead of vanilla by 2.0 points (95 % interval -0.5 to +4.5, 3 trials): not est"),
        ((-0.01, -0.03, -0.02), "vanilla is ahead of soup by 2.0 points (95 % interval -0.5 to +4.5, 3 trials): not e"),
        ((-0.02, -0.03, -0.025), "vanilla is ahead of soup by 2.5 points (95 % interval +1.3 to +3.7, 3 trials): more"),
        ((0.02,), "soup is ahead of vanilla by 2.0 points in one trial, which says nothing"),
    ],
)
def test_a_sentence_names_the_leader_first_and_its_own_interval(values: tuple[float, ...], said: str) -> None:
    found = PairedDifference(first="soup", second="vanilla", difference=trial_interval(values), wins=0)
    assert found.sentence.startswith(said)


def test_targets_are_summarised_apart() -> None:
    summaries = summarise("b", [cell(0, "ink", {"soup": 0.3}), cell(0, "ink", {"soup": 0.5}, target="other")])
    assert [(one.target, one.lines[0].trials) for one in summaries] == [("shapes", (0.3,)), ("other", (0.5,))]


def test_the_figure_is_drawn_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    cells = [cell(t, "ink", {"vanilla": 0.1 * t, "ratatouille": 0.1 * t + 0.02 * t}) for t in range(3)]
    summary = summarise("b", cells)[0]
    first, second = draw_benchmark(summary, tmp_path / "a", "figure"), draw_benchmark(summary, tmp_path / "b", "figure")
    assert first.read_bytes() == second.read_bytes()
    assert ElementTree.fromstring(first.read_text()).tag.endswith("svg")
    assert (tmp_path / "a" / "figure.png").stat().st_size > 1000


def test_published_numbers_are_of_recipes_and_data_sets_that_exist() -> None:
    assert set(PUBLISHED) <= set(RECIPES)
    assert set(DATA_SETS) <= set(KNOWN)
    assert published("ratatouille", "office-home") == 73.1
    assert published("ensemble", "domain-net") is None
    assert published("soup", "shapes") is None
