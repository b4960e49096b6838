"""The published results of the emoji benchmark follow from the recorded scores, compared exactly."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from benchmarks.emoji_ties import Recorded, corrected, selection
from ratatouille.analysis.benchmark import Summary
from ratatouille.analysis.selection import table

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "emoji"


def test_of_two_runs_that_are_level_the_first_is_chosen_and_the_published_tables_say_so() -> None:
    recorded = Recorded(FOLDER / "selection.csv")
    runs = recorded.of("inter_training")
    assert [recorded.names[place] for place in runs if recorded.validation[place] == Fraction(143, 234)] == [
        "vanilla run 1",
        "inter_training run 4",
    ]
    chosen = recorded.chosen(runs)
    assert recorded.names[chosen] == "vanilla run 1"
    assert recorded.held_out[chosen] == Fraction(479, 1110)
    assert table(selection(recorded)).csv() == (FOLDER / "selection.csv").read_text()
    (said,) = json.loads((FOLDER / "summary.json").read_text())["summaries"]
    summary = Summary.model_validate(said)
    assert corrected(summary, recorded.held_out[chosen]) == summary
    line = next(line for line in summary.lines if (line.recipe, line.setting) == ("inter_training", "lenient"))
    assert line.held_out["all"].mean == float(Fraction(479 + 613 + 560 + 466 + 605, 5 * 1110))
    assert "| inter_training lenient | 6 | 62.5 ± 3.4 | 49.1 ± 7.7 | – | – |" in (FOLDER / "report.md").read_text()
