"""`ratatouille benchmark`: many rounds over trials and settings, rehearsed on this machine, and one report."""

from __future__ import annotations

import shlex
import sys
import tomllib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratatouille.cli.output import AsJson, Remote, TableLayout, about, counting, print_json, print_line, print_table
from ratatouille.errors import Refusal
from ratatouille.recipes.recipe import recipe_named
from ratatouille.wording import number_of
from registry.commands.opened import registry_in_force

if TYPE_CHECKING:
    from coordinator.benchmark.running import Cost, PreparedSuite
    from coordinator.benchmark.suite import Wishes
    from coordinator.driver import RoundDriver


def benchmark(
    what: Annotated[
        str, typer.Argument(help="`emoji`, `domainbed`, `admission`, or a round.toml of your own.", metavar="WHAT")
    ],
    node: Annotated[
        list[Path] | None, typer.Option("--node", help="With a round.toml: a node.toml with data (repeat it for more).")
    ] = None,
    task: Annotated[
        list[Path] | None, typer.Option("--task", help="With a round.toml: a task.toml (repeat it for more).")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="With domainbed: the folder with the data sets.")] = None,
    targets: Annotated[str | None, typer.Option(help="With domainbed: targets (default: all that are there).")] = None,
    foundation: Annotated[
        str | None, typer.Option(help="Weights that everybody starts from, as `ratatouille foundation` takes them.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="timm's name of the network, where the foundation is a file.")
    ] = None,
    node_modules: Annotated[
        Path | None, typer.Option(help="Where npm put the packages of the emoji styles noto and fluent.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials: splits, seeds, hyper-parameters anew (default: 5; domainbed: 3).")
    ] = None,
    recipes: Annotated[
        str | None, typer.Option(help="Recipes, separated by commas (default: the paper's, or the file's).")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of each recipe instead of the protocol's.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each run instead of the protocol's.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes, one thread each.")] = 2,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A value of the protocol, or `name=` another protocol (repeat for more).",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="With admission: a few attacks, in minutes.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and stop.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where everything is kept; a second call goes on there.")] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Compare recipes over many trials and write one report.

    It may be stopped at any moment: the next call with the same folder goes on, and with other recipes or more trials
    it trains only what is new. The report is in FOLDER/report. Where a round.toml names `starts`, they are taken from
    the registry in force (--remote). `admission` attacks the contributions of rounds on emoji and says which check
    stops what.
    """
    from coordinator.benchmark.pages import write
    from coordinator.benchmark.running import collect, cost, prepare
    from coordinator.benchmark.suite import Wishes

    chosen = tuple(name.strip() for name in (recipes or "").split(",") if name.strip())
    for name in chosen:
        recipe_named(name)
    protocol: dict[str, Any] = {key: value for key, value in (("runs", runs), ("steps", steps)) if value is not None}
    protocol |= dict(map(_value, values or []))
    place = (folder or Path(f"benchmark-{Path(what).stem}")).resolve()
    wishes = Wishes(trials, chosen, protocol)
    if what == "admission":
        _attack(place, wishes, quick, node_modules, workers, dry_run, as_json)
        return
    if what == "emoji":
        from coordinator.benchmark.suites import emoji_suite

        suite = emoji_suite(place, wishes, node_modules)
    elif what.endswith(".toml"):
        from coordinator.benchmark.suites import own_suite

        if not node or not task:
            raise Refusal(f"whose data? `ratatouille benchmark {what} --node node.toml --task task.toml`, repeated")
        suite = own_suite(Path(what), [file.resolve() for file in node], task, foundation, architecture, wishes)
    elif what == "domainbed":
        from coordinator.benchmark.suites import domainbed_suite

        if data_dir is None:
            raise Refusal("where are the data sets? `ratatouille benchmark domainbed --data-dir FOLDER`")
        chosen_targets = [name.strip() for name in (targets or "").split(",") if name.strip()]
        suite = domainbed_suite(place, data_dir, chosen_targets, foundation, architecture, wishes)
    else:
        raise Refusal(
            f"there is no benchmark '{what}'; name `emoji`, `domainbed`, `admission`, or a round.toml of your own"
        )
    prepared = prepare(suite, place, registry_in_force(remote) if suite.starts else None)
    if not _carried_out(prepared, workers, dry_run, as_json):
        return
    summaries, took = collect(prepared), cost(prepared)
    written = write(place / "report", prepared, summaries, took, shlex.join(["ratatouille", *sys.argv[1:]]))
    if as_json:
        print_json({"summaries": summaries, "cost": took, "files": [str(path) for path in written]})
        return
    from coordinator.benchmark.pages import columns, rows

    for summary in summaries:
        title = f"{summary.name}, {summary.target}: {summary.metric} in %, {number_of(summary.trials, 'trial')}"
        print_table(layout(columns(summary)), rows(summary), title)
        for one in summary.differences:
            if one.first.startswith("ratatouille"):
                print_line(one.sentence)
    print_line(f"report: {place / 'report' / 'index.html'}")


def _carried_out(prepared: PreparedSuite, workers: int, dry_run: bool, as_json: bool) -> bool:
    """Say what the rounds of a benchmark cost, and carry them out; False for a dry run, which says it only."""
    from coordinator.benchmark.running import carry_out, cost

    expected = cost(prepared)
    if as_json and dry_run:
        print_json(expected)
    elif not as_json:
        print_line(_sentence(expected, workers))
    if dry_run:
        return False
    with nullcontext() if as_json else counting("questions answered") as show:
        carry_out(prepared, workers, lambda drivers: None if show is None else show(*_answered(drivers)))
    return True


def _attack(
    place: Path, wishes: Wishes, quick: bool, node_modules: Path | None, workers: int, dry_run: bool, as_json: bool
) -> None:
    """The attack benchmark: rounds on emoji, attacks on them, and a report."""
    from coordinator.benchmark.admission.pages import write
    from coordinator.benchmark.admission.running import measure, opened, rounds_to_attack
    from coordinator.benchmark.admission.sizes import SIZES

    size = SIZES["quick" if quick else "full"]
    prepared = rounds_to_attack(place, size, wishes, node_modules)
    if not _carried_out(prepared, workers, dry_run, as_json):
        return
    with opened(prepared, workers) as bench, nullcontext() if as_json else counting("scenarios, trainings") as show:
        found = measure(bench, size, place / "admission", lambda what, done, total: show and show(done, total))
    command = shlex.join(["ratatouille", *sys.argv[1:]])
    written = write(place / "report", found, size, command, prepared.suite.about)
    if as_json:
        print_json({"admission": found, "files": [str(path) for path in written]})
        return
    stopped = sum(one.stopped for one in found.results)
    print_line(f"{number_of(sum(one.attackers for one in found.results), 'attacker')}, {stopped} of them stopped")
    print_line(f"report: {place / 'report' / 'report.md'}")


def layout(columns: Sequence[str]) -> TableLayout:
    """The layout of a benchmark's table, which has columns for the slices that were counted."""
    known = ("runs", "mean run", "seen", "new", "validation", "published")
    return TableLayout(tuple(columns), drop=tuple(name for name in known if name in columns))


def _value(written: str) -> tuple[str, Any]:
    """One value of the protocol, written as in a round.toml; what is no TOML is text.

    Raises:
        Refusal: for what has no name.
    """
    name, separator, value = (part.strip() for part in written.partition("="))
    if not name or not separator:
        raise Refusal(f"'{written}' sets nothing; write `--set NAME=VALUE`, as in `--set auxiliary_steps=40`")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return name, value


def _sentence(cost: Cost, workers: int) -> str:
    hours = cost.hours(workers)
    took = "nothing to train" if hours is None else about(3600 * hours)
    return (
        f"{number_of(cost.rounds, 'round')}, {number_of(cost.trainings, 'distinct training')} "
        f"({cost.asked} without sharing), {cost.known} of them "
        f"done; {number_of(cost.steps, 'step')} to train with {number_of(workers, 'worker')}: {took}"
    )


def _answered(drivers: Sequence[RoundDriver]) -> tuple[int, int]:
    """Questions of all rounds together: how many are answered, and how many there are."""
    total = {work_id for one in drivers for work_id in one.forecast().orders}
    done = {work_id for one in drivers for work_id in one.facts}
    return len(total & done), len(total)
