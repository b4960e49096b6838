"""What choosing by validation costs."""

import numpy as np
import pytest

from ratatouille.analysis.selection import selection, table
from ratatouille.recipes.counting import SideCounts
from ratatouille.recipes.outcome import Candidate, Outcome
from ratatouille.recipes.studies import SelectionStudy
from tests.ratatouille.analysis.counting import counted, evaluation
from tests.ratatouille.recipes.simulation import a_round, run


def network(number: int, validation: int, held_out: int) -> Candidate:
    counts = (evaluation("clay", validation, 100),), (evaluation("ink", held_out, 100),)
    return Candidate(f"{number}", "f", "h", f"run {number + 1}", f"{number}", 0, *counts)


RUNS = [network(0, 80, 60), network(1, 90, 50), network(2, 70, 70), network(3, 60, 65), network(4, 50, 40)]
AVERAGE = network(5, 85, 75)
OUTCOMES = [Outcome("vanilla", RUNS[1], tuple(RUNS), 5), Outcome("soup", AVERAGE, tuple(RUNS), 5)]


def asked() -> SelectionStudy:
    every = (*RUNS, AVERAGE)
    right = np.array([np.arange(100) < one.held_out[0].correct for one in every if one.held_out])
    return SelectionStudy(every, counted(("ink", right)))


def test_the_cost_is_the_best_held_out_score_less_that_of_the_chosen_one() -> None:
    found = selection(asked(), OUTCOMES, "accuracy")
    runs, vanilla, soup, finals = found.choices
    assert (runs.among, runs.networks, runs.chosen, runs.best) == ("all runs", 5, 1, 2)
    assert runs.regret == pytest.approx(0.7 - 0.5)
    assert runs.interval is not None
    assert runs.interval.high - runs.interval.value == pytest.approx(1.96 * np.sqrt(0.16 / 99))
    assert vanilla.regret == soup.regret == runs.regret
    assert (finals.among, finals.chosen, finals.best) == ("final versions", 1, 5)
    assert "The run that validation chooses is 20.0 points below the best of 5, more than noise" in found.sentence
    assert "The final version that validation chooses is 25.0 points below the best of 2" in found.sentence


def test_ranks_are_compared_over_runs() -> None:
    found = selection(asked(), OUTCOMES, "accuracy")
    assert found.runs is not None
    # ranks of validation 4 5 3 2 1 and of held-out 3 2 5 4 1: Σd² = 1 + 9 + 4 + 4 + 0
    assert found.runs.value == pytest.approx(1 - 6 * 18 / 120)
    assert found.versions is None
    assert "Whether validation ranks runs as held-out images do cannot be told" in found.sentence


def test_balanced_accuracy_has_a_cost_without_an_interval_since_pairs_are_counted_over_all_classes() -> None:
    found = selection(asked(), OUTCOMES, "balanced_accuracy")
    assert all(choice.interval is None for choice in found.choices)
    assert found.choices[0].regret == pytest.approx(0.2)


def test_each_network_is_named_once_with_what_it_is() -> None:
    found = selection(asked(), OUTCOMES, "accuracy")
    assert [(one.recipe, one.run, one.final) for one in found.networks] == [
        ("vanilla", True, False),
        ("vanilla", True, True),
        *[("vanilla", True, False)] * 3,
        ("soup", False, True),
    ]
    shown = table(found)
    assert shown.first == len(found.choices)
    assert len(shown.rows) == len(found.choices) + len(found.networks)


def test_a_best_run_that_validation_chooses_costs_nothing() -> None:
    found, _ = run(a_round("wx", ("vanilla", "soup"), analyses=("selection",)))
    measured = selection(found.studies["selection"], found.outcomes, "accuracy")
    assert all(choice.regret == 0 and choice.chosen == choice.best for choice in measured.choices)
    assert "is the best held out too" in measured.sentence


def test_nothing_held_out_ends_in_a_sentence() -> None:
    bare = [Candidate("0", "f", "h", "run 1", "0", 0, (evaluation("clay", 5, 10),), ())]
    found = selection(
        SelectionStudy(tuple(bare), SideCounts(())), [Outcome("vanilla", bare[0], tuple(bare), 1)], "accuracy"
    )
    assert found.sentence.startswith("No held-out image was counted")
    assert found.choices == ()


def test_of_networks_that_validation_puts_level_the_first_is_chosen() -> None:
    # (0.1 + 0.7) / 2 and (0.3 + 0.5) / 2 differ in the last bit
    def level(number: int, first: int, second: int) -> Candidate:
        validation = (evaluation("clay", first, 10), evaluation("ink", second, 10))
        return Candidate(f"{number}", "f", "h", f"run {number + 1}", f"{number}", 0, validation, validation)

    runs = (level(0, 1, 7), level(1, 3, 5))
    right = np.array([np.arange(10) < 4] * 2)
    asked_ = SelectionStudy(runs, counted(("wool", right)))
    found = selection(asked_, [Outcome("vanilla", runs[0], runs, 2)], "accuracy")
    assert {(one.chosen, one.best, one.regret) for one in found.choices} == {(0, 0, 0.0)}
