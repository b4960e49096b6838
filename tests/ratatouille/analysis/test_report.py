"""Tables and verdicts from counts."""

import math
from dataclasses import replace

import pytest

from ratatouille.analysis.report import measured, report
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.recipes.outcome import Candidate, Outcome, score
from tests.ratatouille.recipes.simulation import a_round, name, run


def counts(domain: str, right: int, wrong: int) -> Evaluation:
    return Evaluation(cell=Cell(domain=domain, split="all"), confusion=((right, wrong), (0, 0)))


def test_counts_are_summed_within_a_domain_and_the_metric_is_averaged_over_domains() -> None:
    parts = [counts("clay", 1, 0), counts("clay", 1, 2), counts("ink", 0, 10)]
    assert score(parts, "accuracy") == pytest.approx((2 / 4 + 0) / 2)


def test_balanced_accuracy_is_the_mean_over_the_classes_that_occur() -> None:
    found = Evaluation(cell=Cell(domain="clay", split="all"), confusion=((8, 2, 0), (5, 5, 0), (0, 0, 0)))
    assert found.accuracy == pytest.approx(13 / 20)
    assert found.balanced_accuracy == pytest.approx((0.8 + 0.5) / 2)


def test_the_margin_is_the_agresti_coull_half_width_for_one_domain() -> None:
    found = measured([counts("clay", 50, 50)], "accuracy")
    assert found is not None
    images = 100 + 1.96**2
    assert found.margin == pytest.approx(1.96 * math.sqrt(0.25 / images))
    assert found.images == 100


def test_a_domain_without_images_is_left_out_of_score_and_margin() -> None:
    alone = [counts("clay", 30, 10)]
    beside = [*alone, counts("ink", 0, 0)]
    assert score(beside, "accuracy") == 0.75
    assert measured(beside, "accuracy") == measured(alone, "accuracy")


def test_the_margin_of_balanced_accuracy_knows_how_few_images_a_rare_class_has() -> None:
    cell = Cell(domain="clay", split="all")
    rare = measured([Evaluation(cell=cell, confusion=((500, 500), (2, 2)))], "balanced_accuracy")
    even = measured([Evaluation(cell=cell, confusion=((251, 251), (251, 251)))], "balanced_accuracy")
    assert rare is not None
    assert even is not None
    assert rare.value == even.value == 0.5
    # Half of the score hangs on four images: the half-width of their share alone, halved, is the least it can be.
    assert rare.margin > 1.96 * math.sqrt(0.25 / (4 + 1.96**2)) / 2 > 5 * even.margin


def test_no_images_have_no_score() -> None:
    assert measured([], "accuracy") is None
    assert measured(None, "accuracy") is None


def test_the_table_shows_the_average_beside_the_mean_and_the_best_of_its_runs() -> None:
    round = a_round(recipes=("vanilla", "soup"))
    found, _ = run(round)
    table = report(round, found.outcomes)
    assert [row.recipe for row in table.rows] == ["vanilla", "soup"]
    for row in table.rows:
        assert (row.runs, row.wanted) == (5, 5)
        assert row.held_out["all"].value == 0.5
        assert row.mean_run == 0.5
        assert row.run_spread == 0.0
    assert table.verdict == "vanilla and soup are level on the held-out images."


def test_the_verdict_names_the_leader_and_whether_these_images_can_tell() -> None:
    round = a_round(recipes=("linear_probe", "soup"))
    found, _ = run(round, lambda order, cell: 4 if "head" in order.label else 6)
    sentence = report(round, found.outcomes).verdict
    assert "soup is ahead of linear_probe by 20.0 points on 10 held-out images" in sentence
    assert "cannot tell from chance" in sentence


def level(number: int, first: int, second: int) -> Candidate:
    """A run that is right on so many of ten images in each of two domains, on both sides."""
    both = (counts("clay", first, 10 - first), counts("ink", second, 10 - second))
    return Candidate(name(f"{number}"), name("f"), name("h"), f"run {number + 1}", f"{number}", 0, both, both)


def test_of_runs_that_are_level_the_first_is_the_best_and_no_recipe_is_ahead() -> None:
    # (0.1 + 0.7) / 2 and (0.3 + 0.5) / 2 differ in the last bit
    runs = (level(0, 1, 7), level(1, 3, 5))
    assert sum((0.1, 0.7)) != sum((0.3, 0.5))
    outcomes = [Outcome("vanilla", runs[0], runs, 2), Outcome("soup", runs[1], runs, 2)]
    table = report(a_round(recipes=("vanilla", "soup")), outcomes)
    assert table.verdict == "vanilla and soup are level on the held-out images."
    assert [row.held_out["all"].fraction for row in table.rows] == ["2/5", "2/5"]
    assert [row.best_run for row in table.rows] == [0.4, 0.4]


def test_the_best_run_of_a_report_is_the_first_of_those_that_validation_puts_first() -> None:
    runs = [level(0, 1, 7), level(1, 3, 5)]
    held_out = [(counts("wool", right, 10 - right),) for right in (2, 9)]
    members = tuple(replace(run, held_out=one) for run, one in zip(runs, held_out, strict=True))
    (row,) = report(a_round(recipes=("vanilla",)), [Outcome("vanilla", members[0], members, 2)]).rows
    assert row.best_run == 0.2


def test_a_round_that_holds_nothing_out_says_why_it_compares_nothing() -> None:
    round = a_round(recipes=("vanilla", "soup")).model_copy(update={"held_out": (), "evaluation": ()})
    found, _ = run(round)
    assert found.done
    table = report(round, found.outcomes)
    assert table.verdict == "No held-out image was counted, so the recipes cannot be compared."
    assert all(row.version and row.validation and not row.held_out for row in table.rows)


def test_a_round_without_results_says_so() -> None:
    round = a_round()
    from ratatouille.recipes.plan import plan

    table = report(round, plan(round, {}).outcomes)
    assert table.verdict == "There is nothing to compare yet."
    assert all(row.version is None for row in table.rows)
