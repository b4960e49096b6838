"""Makes the published emoji results again where an exact tie decided, from the numbers that were recorded.

`python -m benchmarks.emoji_ties [--folder docs/results/emoji]`

Scores used to be sums of floats. In trial 0, lenient, two runs of inter-training are right on the same share of the
validation images, 143 of 234, and the last bit of a sum put run 4 before run 1. Compared as fractions, the first of
equals is run 1. `selection.csv` has the validation and the held-out score of every run of that trial. So the choice,
its line in the benchmark's tables and the analysis of selection follow from it, and nothing is trained. What does not
follow is left out of the tables: that line's scores on the slices `seen` and `new`, and intervals of differences whose
pairs were not recorded. Ties in trials whose single runs were not recorded stay unknown. Running it again changes
nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from coordinator.benchmark.pages import write
from coordinator.benchmark.running import Cost, PreparedSuite
from coordinator.benchmark.suite import Planned, Suite
from coordinator.settings import RoundSettings
from ratatouille.analysis import drawings, figures
from ratatouille.analysis.benchmark import BenchmarkLine, Summary, paired_differences
from ratatouille.analysis.intervals import Interval, trial_interval
from ratatouille.analysis.selection import Choice, ScoredNetwork, Selection, finished, table
from ratatouille.folders import write_whole
from ratatouille.recipes.recipe import RECIPES

VALIDATION, HELD_OUT = 3 * 78, 3 * 370
"""Images of the three domains of trial 0; domains are equally large, so a mean over them is a share of all images."""
GROUPS = ("vanilla", "soup", "greedy_soup", "inter_training", "ratatouille", "greedy_ratatouille")
"""The recipes of the analysis, in the order of its rows."""
FROM_FOUNDATION = 1
"""Number of the one run of an auxiliary recipe that starts from the foundation and so is vanilla's (of six)."""


class Recorded:
    """The runs and versions of trial 0, lenient, with their scores as fractions."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        networks = [row for row in rows if row[0] in ("run", "version")]
        self.names = [row[2] for row in networks]
        self.validation = [share(row[3], VALIDATION) for row in networks]
        self.held_out = [share(row[4], HELD_OUT) for row in networks]
        self.runs = [place for place, row in enumerate(networks) if row[0] == "run"]
        self.intervals = {
            row[0]: (row[2], Interval(value=float(row[6]), low=float(row[7]), high=float(row[8])))
            for row in rows
            if row[0].startswith("runs of") and row[7]
        }

    def of(self, recipe: str) -> list[int]:
        """Places of a recipe's runs, in the order of their numbers."""
        if RECIPES[recipe].starts == "pretrained":
            return [place for place in self.runs if self.names[place].startswith("vanilla ")]
        own = [place for place in self.runs if self.names[place].startswith("inter_training ")]
        return [self.names.index(f"vanilla run {FROM_FOUNDATION}"), *own]

    def chosen(self, places: Sequence[int]) -> int:
        """The first with the highest validation score."""
        return max(places, key=lambda place: self.validation[place])


def share(text: str, images: int) -> Fraction:
    """The fraction of images that a float stands for."""
    found = Fraction(round(float(text) * images), images)
    if abs(found - Fraction(float(text))) > Fraction(1, 10**12):
        raise ValueError(f"{text} is no share of {images} images")
    return found


def selection(recorded: Recorded) -> Selection:
    """The analysis of selection, with exact ties."""
    named = {f"{recipe} ": recipe for recipe in GROUPS}
    best = {recipe: recorded.chosen(recorded.of(recipe)) for recipe in ("vanilla", "inter_training")}
    versions = [place for place in range(len(recorded.names)) if place not in recorded.runs]
    finals = list(dict.fromkeys([best["vanilla"], *versions, best["inter_training"]]))
    networks = []
    for place, name in enumerate(recorded.names):
        recipe = next(recipe for start, recipe in named.items() if name.startswith(start))
        networks.append(
            ScoredNetwork(
                label=name.removeprefix(f"{recipe} "),
                recipe=recipe,
                starts=RECIPES[recipe].starts,
                final=place in finals,
                run=place in recorded.runs,
                validation=float(recorded.validation[place]),
                held_out=float(recorded.held_out[place]),
            )
        )
    groups = [("all runs", recorded.runs), *((f"runs of {recipe}", recorded.of(recipe)) for recipe in GROUPS)]
    choices = [_choice(recorded, among, places) for among, places in (*groups, ("final versions", sorted(finals)))]
    scores = list(zip(recorded.validation, recorded.held_out, strict=True))
    return finished(tuple(networks), scores, tuple(choices))


def _choice(recorded: Recorded, among: str, places: Sequence[int]) -> Choice:
    chosen = recorded.chosen(places)
    best = max(places, key=lambda place: (recorded.held_out[place], place == chosen))
    before, known = recorded.intervals.get(among, ("", None))
    regret = float(recorded.held_out[best] - recorded.held_out[chosen])
    same = known is not None and before == recorded.names[chosen] and abs(known.value - regret) < 1e-9
    return Choice(
        among=among, networks=len(places), chosen=chosen, best=best, regret=regret, interval=known if same else None
    )


def corrected(summary: Summary, chosen: Fraction) -> Summary:
    """The benchmark's summary with another choice of inter-training, lenient, in trial 0."""
    lines = []
    for line in summary.lines:
        if (line.recipe, line.setting) == ("inter_training", "lenient"):
            trials = [chosen, *_trials(line)[1:]]
            line = line.model_copy(
                update={"trials": tuple(map(float, trials)), "held_out": {"all": trial_interval(trials)}}
            )
        lines.append(line)
    named = {f"{line.recipe} {line.setting}".strip(): line for line in lines}
    scores = {name: dict(enumerate(_trials(line))) for name, line in named.items()}
    return summary.model_copy(update={"lines": tuple(lines), "differences": paired_differences(named, scores)})


def _trials(line: BenchmarkLine) -> list[Fraction]:
    return [share(str(value), HELD_OUT) for value in line.trials]


def main() -> None:
    """Read what was recorded, and write what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("docs/results/emoji"))
    folder: Path = parser.parse_args().folder
    recorded = Recorded(folder / "selection.csv")
    found = selection(recorded)
    write_whole(folder / "selection.csv", [table(found).csv().encode()])
    write_whole(folder / "selection.png", [figures.files(drawings.selection(found))["figure.png"]])
    document = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    chosen = recorded.held_out[recorded.chosen(recorded.of("inter_training"))]
    summaries = [corrected(Summary.model_validate(one), chosen) for one in document["summaries"]]
    about = re.sub(r"\s*\n.*", "", (folder / "report.md").read_text(encoding="utf-8").split("\n\n")[1], flags=re.DOTALL)
    settings = RoundSettings(name="r", target="emoji-things", protocol={"name": "emoji", "runs": 6, "steps": 80})
    suite = Suite("emoji", (), (), "efficientnet-lite0", None, 64, (Planned("strict", 0, settings),), about)
    write(folder, PreparedSuite(suite, folder), summaries, Cost.model_validate(document["cost"]), document["command"])
    print(found.sentence)


if __name__ == "__main__":
    main()
