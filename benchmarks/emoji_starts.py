"""The search for better starts of ratatouille on the emoji benchmark, by validation images only.

`python -m benchmarks.emoji_starts --node-modules DIR [--folder DIR] [--trials N] [--workers N] [--json]`
`python -m benchmarks.emoji_starts --node-modules DIR --measure NAME … [--lenient] [--folder DIR] [--trials N]`

Every candidate is a number of steps and a factor on the learning rates of auxiliary runs, and a warm-up of the runs
that start from them. It is judged by the validation score of ratatouille's average in the strict setting, the mean over
trials. Nothing is counted on held-out styles. The folder is that of `ratatouille benchmark emoji`: neither trains what
the other has trained. `--measure` counts candidates on the held-out styles afterwards and writes a report of paired
differences to FOLDER/report-starts. What was chosen, and what came of it: docs/results/emoji/README.md.
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
from coordinator.benchmark.pages import write
from coordinator.benchmark.running import PreparedSuite, carry_out, collect, cost, prepare
from coordinator.benchmark.suite import Planned, Suite, Wishes
from coordinator.benchmark.suites import emoji_suite
from coordinator.driver import RoundDriver
from coordinator.rehearsal import rehearse_all
from ratatouille.recipes.outcome import Outcome, score
from ratatouille.recipes.protocol import EMOJI
from registry.opening import open_registry


@dataclass(frozen=True)
class Candidate:
    """Values of the protocol that are tried together; the defaults are its own."""

    auxiliary_steps: int = EMOJI.auxiliary_steps
    auxiliary_rate_factor: float = EMOJI.auxiliary_rate_factor
    warmup: int = EMOJI.warmup

    @property
    def name(self) -> str:
        """Auxiliary steps, factor and warm-up in one word."""
        return f"{self.auxiliary_steps}-{self.auxiliary_rate_factor:g}-{self.warmup}"


CANDIDATES = (
    Candidate(),
    *(Candidate(steps, factor) for steps, factor in ((40, 1.0), (20, 1.0), (80, 0.3), (40, 0.3))),
    *(Candidate(warmup=steps) for steps in (8, 3)),
)
"""Gentler auxiliary runs, and shorter warm-ups: the paper's is 4 % of a run, 16 of 80 steps are 20 %."""
FINAL, BESIDE = "ratatouille", "soup"
MEASURED = ("vanilla", BESIDE, FINAL, "greedy_ratatouille")


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
    names = [candidate.name for candidate in CANDIDATES]
    parser.add_argument("--measure", nargs="+", choices=names, help="count these on the held-out styles")
    parser.add_argument("--lenient", action="store_true", help="measure them in the lenient setting too")
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        return REFUSED if told(lambda: measure(chosen), show_measured, chosen.json) is None else 0
    report = told(lambda: search(chosen), show, chosen.json)
    return REFUSED if report is None else 0


def search(chosen: argparse.Namespace) -> Report:
    """Rehearse every candidate, a whole trial before the next one, and read the validation scores."""
    folder = chosen.folder.resolve()
    suites = {candidate: _blind(_suite(folder, candidate, (BESIDE, FINAL), chosen)) for candidate in CANDIDATES}
    prepared = prepare(suites[CANDIDATES[0]], folder)
    planned = sorted((one for suite in suites.values() for one in suite.rounds), key=lambda one: one.trial)
    rehearse_all([one.settings for one in planned], prepared.site, chosen.workers)
    rows = []
    for candidate, suite in suites.items():
        found = [_outcomes(prepared, one) for one in suite.rounds]
        rows.append(
            asdict(candidate)
            | {
                "average": [_validation(one[FINAL]) for one in found],
                "mean_run": mean(_mean_run(one[FINAL]) for one in found),
            }
        )
    soups = [_validation(_outcomes(prepared, one)[BESIDE]) for one in suites[CANDIDATES[0]].rounds]
    return {"trials": chosen.trials, "rows": rows, "soup": mean(soups)}


def measure(chosen: argparse.Namespace) -> Report:
    """Run candidates with counts on the held-out styles, write the report, and return its differences."""
    folder = chosen.folder.resolve()
    candidates = [candidate for candidate in CANDIDATES if candidate.name in chosen.measure]
    suites = [_suite(folder, candidate, MEASURED, chosen) for candidate in candidates]
    about = (
        f"{suites[0].about} Settings are called by auxiliary steps, factor on auxiliary learning rates and steps of "
        "warm-up; they are strict where nothing else is said."
    )
    planned = sorted((one for suite in suites for one in suite.rounds), key=lambda one: one.trial)
    suite = replace(suites[0], name="emoji-starts", rounds=tuple(planned), about=about)
    prepared = prepare(suite, folder)
    carry_out(prepared, chosen.workers, lambda drivers: None)
    command = " ".join(["python -m benchmarks.emoji_starts", *sys.argv[1:]])
    summaries = collect(prepared)
    written = write(folder / "report-starts", prepared, summaries, cost(prepared), command)
    said = [one.sentence for summary in summaries for one in summary.differences]
    return {"sentences": said, "files": [str(path) for path in written]}


def show_measured(report: Report, console: Console) -> None:
    """Every difference in a sentence, and where the report is."""
    for line in (*report["sentences"], *report["files"]):
        console.print(line)


def _suite(folder: Path, candidate: Candidate, recipes: tuple[str, ...], chosen: argparse.Namespace) -> Suite:
    """The rounds of one candidate; the lenient ones only where they are asked for."""
    values = {"runs": chosen.runs, "steps": chosen.steps} | asdict(candidate)
    suite = emoji_suite(folder, Wishes(chosen.trials, recipes, values), chosen.node_modules)
    wanted = ("strict", "lenient") if chosen.lenient else ("strict",)
    rounds = [_called(one, candidate) for one in suite.rounds if one.setting in wanted]
    return replace(suite, rounds=tuple(rounds))


def _called(planned: Planned, candidate: Candidate) -> Planned:
    name = f"starts-{candidate.name}-{planned.setting}-{planned.trial}"
    setting = candidate.name if planned.setting == "strict" else f"{candidate.name} {planned.setting}"
    return replace(planned, setting=setting, settings=planned.settings.model_copy(update={"name": name}))


def _blind(suite: Suite) -> Suite:
    """The same rounds without counts on held-out styles."""
    rounds = []
    for one in suite.rounds:
        changes = {"name": f"{one.settings.name}-blind", "evaluate_held_out": False, "slices": ()}
        rounds.append(replace(one, settings=one.settings.model_copy(update=changes)))
    return replace(suite, rounds=tuple(rounds))


def _outcomes(prepared: PreparedSuite, planned: Planned) -> dict[str, Outcome]:
    registry = open_registry(prepared.site.url)
    record = registry.rounds.round(planned.settings.name)
    return {one.recipe: one for one in RoundDriver.of(record, registry).gather().outcomes}


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
