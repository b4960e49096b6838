"""The search for better starts of ratatouille on the emoji benchmark, by validation images only.

`python -m benchmarks.emoji_starts --node-modules DIR [--folder DIR] [--trials N] [--workers N] [--json]`

Every candidate is a number of steps and a factor on the learning rates of auxiliary runs, and a warm-up of the runs
that start from them. It is judged by the validation score of ratatouille's average in the strict setting, the mean over
trials. Nothing is counted on held-out styles. The folder is that of `ratatouille benchmark emoji`: neither trains what
the other has trained. What was chosen, and what came of it: docs/results/emoji/README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from ratatouille.recipes.protocol import EMOJI
from ratatouille.recipes.score import score
from registry.opening import open_registry


@dataclass(frozen=True)
class Candidate:
    """Values of the protocol that are tried together; the defaults are its own."""

    auxiliary_steps: int = EMOJI.auxiliary_steps
    auxiliary_rate_factor: float = EMOJI.auxiliary_rate_factor
    warmup: int = EMOJI.warmup

    @property
    def name(self) -> str:
        """A name for its rounds."""
        return f"{self.auxiliary_steps}-{self.auxiliary_rate_factor:g}-{self.warmup}"


CANDIDATES = (
    Candidate(),
    *(Candidate(steps, factor) for steps, factor in ((40, 1.0), (20, 1.0), (80, 0.3), (40, 0.3))),
    *(Candidate(warmup=steps) for steps in (8, 3)),
)
"""Gentler auxiliary runs, and shorter warm-ups: the paper's is 4 % of a run, 16 of 80 steps are 20 %."""
FINAL, BESIDE = "ratatouille", "soup"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the search and print a row for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--node-modules", type=Path, help="where npm put the styles noto and fluent")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-emoji"))
    parser.add_argument("--trials", type=int, default=2)
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
    for candidate, suite in suites.items():
        found = [_outcomes(bench, one) for one in suite.rounds]
        rows.append(
            asdict(candidate)
            | {
                "average": [_validation(one[FINAL]) for one in found],
                "mean_run": mean(_mean_run(one[FINAL]) for one in found),
            }
        )
    soups = [_validation(_outcomes(bench, one)[BESIDE]) for one in suites[CANDIDATES[0]].rounds]
    return {"trials": chosen.trials, "rows": rows, "soup": mean(soups)}


def _suite(folder: Path, candidate: Candidate, chosen: argparse.Namespace) -> Suite:
    """The strict rounds of one candidate, without counts on held-out styles."""
    values = {"runs": chosen.runs, "steps": chosen.steps} | asdict(candidate)
    suite = emoji.suite(folder, Wishes(chosen.trials, (BESIDE, FINAL), values), chosen.node_modules)
    return replace(suite, rounds=tuple(_blind(one, candidate.name) for one in suite.rounds if one.setting == "strict"))


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
    headings = ("auxiliary steps", "rate factor", "warm-up", "average", "mean run", "average by trial")
    table = Table(*headings, title=title, box=None)
    for row in report["rows"]:
        shares = [f"{100 * value:.1f}" for value in (mean(row["average"]), row["mean_run"])]
        by_trial = ", ".join(f"{100 * value:.1f}" for value in row["average"])
        values = (str(row["auxiliary_steps"]), f"{row['auxiliary_rate_factor']:g}", str(row["warmup"]))
        table.add_row(*values, *shares, by_trial)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
