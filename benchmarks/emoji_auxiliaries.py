"""The search for gentler auxiliary runs on the emoji benchmark, by validation images only.

`python -m benchmarks.emoji_auxiliaries --node-modules DIR [--folder DIR] [--trials N] [--workers N] [--json]`

Every candidate is a number of steps and a factor on the learning rates of auxiliary runs. It is judged by the
validation score of ratatouille's average in the strict setting, the mean over trials. Nothing is counted on held-out
styles. The folder is that of `ratatouille benchmark emoji`: what one of them has trained, the other does not train
again. What was chosen, and what came of it, is in docs/results/emoji/README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table

from benchmarks.output import REFUSED, Report, told
from coordinator.benchmark import emoji
from coordinator.benchmark.running import Bench, prepare
from coordinator.benchmark.suite import Planned, Suite, Wishes
from coordinator.conductor import Conductor
from coordinator.rehearsal import rehearse_all
from ratatouille.recipes.outcome import Outcome
from ratatouille.recipes.score import score
from registry.opening import open_registry

CANDIDATES = ((80, 1.0), (40, 1.0), (20, 1.0), (80, 0.3), (40, 0.3))
"""Steps of an auxiliary run and the factor on its learning rate; the first is the protocol's own."""
FINAL, BESIDE = "ratatouille", "soup"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the search and print a row for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--node-modules", type=Path, help="where npm put the styles noto and fluent")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-emoji"))
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(arguments)
    report = told(lambda: search(chosen), show, chosen.json)
    return REFUSED if report is None else 0


def search(chosen: argparse.Namespace) -> Report:
    """Rehearse every candidate, a whole trial before the next one, and read the validation scores."""
    folder = chosen.folder.resolve()
    suites = {candidate: _suite(folder, candidate, chosen) for candidate in CANDIDATES}
    bench = prepare(suites[CANDIDATES[0]], folder)
    planned = sorted((one for suite in suites.values() for one in suite.rounds), key=lambda one: one.trial)
    rehearse_all([one.settings for one in planned], bench.stage, chosen.workers)
    rows = []
    for (steps, factor), suite in suites.items():
        found = [_outcomes(bench, one) for one in suite.rounds]
        row = {"steps": steps, "factor": factor, "average": [_validation(one[FINAL]) for one in found]}
        row["mean_run"] = mean(_mean_run(one[FINAL]) for one in found)
        rows.append(row | {"soup": mean(_validation(one[BESIDE]) for one in found)})
    return {"trials": chosen.trials, "rows": rows, "soup": rows[0]["soup"]}


def _suite(folder: Path, candidate: tuple[int, float], chosen: argparse.Namespace) -> Suite:
    """The strict rounds of one candidate, without counts on held-out styles."""
    steps, factor = candidate
    values = {"runs": chosen.runs, "steps": chosen.steps, "auxiliary_steps": steps, "auxiliary_rate_factor": factor}
    suite = emoji.suite(folder, Wishes(chosen.trials, (BESIDE, FINAL), values), chosen.node_modules)
    return replace(suite, rounds=tuple(_blind(one, f"{steps}-{factor:g}") for one in suite.rounds if _strict(one)))


def _strict(planned: Planned) -> bool:
    return planned.setting == "strict"


def _blind(planned: Planned, name: str) -> Planned:
    changes = {"name": f"auxiliaries-{name}-{planned.trial}", "evaluate_held_out": False, "slices": ()}
    return replace(planned, settings=planned.settings.model_copy(update=changes))


def _outcomes(bench: Bench, planned: Planned) -> dict[str, Outcome]:
    registry = open_registry(bench.stage.url)
    record = registry.round(planned.settings.name)
    return {one.recipe: one for one in Conductor.of(record, registry).gather().outcomes}


def _validation(outcome: Outcome) -> float:
    assert outcome.final is not None
    return score(outcome.final.validation or (), "accuracy")


def _mean_run(outcome: Outcome) -> float:
    return mean(score(run.validation or (), "accuracy") for run in outcome.members)


def show(report: Report, console: Console) -> None:
    """A row for each candidate."""
    title = f"validation accuracy in %, mean of {report['trials']} trials; soup: {100 * report['soup']:.1f}"
    table = Table("auxiliary steps", "rate factor", "average", "mean run", "average by trial", title=title, box=None)
    for row in report["rows"]:
        shares = [f"{100 * value:.1f}" for value in (mean(row["average"]), row["mean_run"])]
        by_trial = ", ".join(f"{100 * value:.1f}" for value in row["average"])
        table.add_row(str(row["steps"]), f"{row['factor']:g}", *shares, by_trial)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
