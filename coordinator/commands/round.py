"""`ratatouille round …`: plan, run, follow, end and read rounds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from coordinator.commands.running import (
    Fresh,
    Rehearse,
    RoundFile,
    Runs,
    Steps,
    Workers,
    carried_out,
    say_gaps,
    settings_of,
)
from coordinator.commands.shown_report import show_report
from coordinator.driver import RoundDriver
from coordinator.requests import request
from coordinator.results import result
from coordinator.settings import image_size_sentence, resolve
from ratatouille.analysis.report import Report
from ratatouille.cli.output import (
    AsJson,
    AsJsonLines,
    Remote,
    TableLayout,
    print_json,
    print_json_line,
    print_line,
    print_table,
    short,
    when,
)
from ratatouille.errors import Refusal
from registry.commands.opened import opened, registry_in_force
from registry.records import OVER

RoundId = Annotated[str, typer.Argument(help="A round's name, id, or unique prefix of its id.", metavar="ROUND")]
Recipes = Annotated[str | None, typer.Option(help="Recipes instead of the file's, separated by commas.")]
PoolTrials = Annotated[
    int | None, typer.Option(min=1, help="Average the runs of so many trials together (†), where a recipe averages.")
]
Deadline = Annotated[float | None, typer.Option(help="Minutes after which it stops waiting for runs.")]
PLANNED = TableLayout(
    ("work", "runs", "known", "open", "steps to do", "where"), drop=("known", "runs"), prose=("work", "where")
)
ROUNDS = TableLayout(
    ("round", "id", "state", "requested (UTC)", "reason"), drop=("requested (UTC)", "id"), prose=("reason",)
)
MinRuns = Annotated[int | None, typer.Option(min=1, help="Runs that are enough at the deadline (default: all).")]


def plan_(
    file: RoundFile,
    remote: Remote = None,
    recipes: Recipes = None,
    runs: Runs = None,
    steps: Steps = None,
    pool_trials: PoolTrials = None,
    as_json: AsJson = False,
) -> None:
    """Show what a round would run, where, and what is known."""
    from coordinator.estimate import estimate

    registry = registry_in_force(remote)
    settings = settings_of(file, runs, steps, recipes=_names(recipes), pool_trials=pool_trials)
    round = resolve(settings, registry)
    driver = RoundDriver(round, registry, time.time())
    driver.gather()
    forecasted = estimate(round, driver.forecast(), driver.facts, registry)
    if as_json:
        print_json(forecasted)
        return
    starts = f"; starts from the registry: {', '.join(one.name for one in round.starts)}" if round.starts else ""
    print_line(
        f"round {round.name} ({round.id}) on {round.target}, held out: {', '.join(round.held_out) or 'nothing'}{starts}"
    )
    print_line(f"{round.protocol.name}: {image_size_sentence(settings, round)}")
    print_table(
        PLANNED,
        [
            [row.what, str(row.all), str(row.known), str(row.all - row.known), str(row.steps), row.where]
            for row in forecasted.rows
        ],
    )
    print_line(forecasted.sentence)
    for warning in forecasted.warnings:
        print_line(f"warning: {warning}", "yellow")


def run(
    file: RoundFile,
    remote: Remote = None,
    recipes: Recipes = None,
    runs: Runs = None,
    steps: Steps = None,
    pool_trials: PoolTrials = None,
    deadline: Deadline = None,
    min_runs: MinRuns = None,
    fresh: Fresh = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once; `round status` follows it.")] = False,
    rehearse: Rehearse = None,
    workers: Workers = 1,
    as_json: AsJson = False,
) -> None:
    """Run a round to its end, or follow one that runs.

    The same settings on the same data are the same round: run again, it goes on where it was, and a finished one only
    shows its result. Ctrl-C stops following, not the round.
    """
    changes = {"pool_trials": pool_trials, "deadline_minutes": deadline, "min_runs": min_runs}
    settings = settings_of(file, runs, steps, recipes=_names(recipes), **changes)
    registry = registry_in_force(remote)
    if detach and not rehearse:
        asked = request(settings, registry, fresh)
        print_json({"round": asked.id}) if as_json else print_line(f"round {asked.id} is on its way")
        say_gaps(asked, as_json)
        return
    record = carried_out(settings, registry, remote, rehearse or [], workers, fresh, as_json)
    _show(result(registry, record), as_json)


def list_(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    before: Annotated[
        str | None, typer.Option(help="Only what comes after the round with this id: the next page.", metavar="ID")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """List the rounds, the latest first."""
    rounds = registry_in_force(remote).rounds.rounds(before=before, limit=limit)
    following = rounds[-1].id if len(rounds) == limit else None
    if as_json:
        print_json({"rounds": rounds, "next": following})
        return
    rows = [[one.name, one.id, one.state, when(one.created), one.reason] for one in rounds]
    print_table(ROUNDS, rows)
    if following is not None:
        print_line(f"(there may be more: --before {following} goes on)", "dim")


def status(round: RoundId, remote: Remote = None, as_json: AsJson = False) -> None:
    """Show where a round stands."""
    from coordinator.progress import round_progress, waits_for

    registry = registry_in_force(remote)
    record = registry.rounds.round(round)
    driver = RoundDriver.of(record, registry)
    now = round_progress(driver, registry)
    if as_json:
        print_json({"round": record, "standing": now})
        return
    print_line(f"round {record.name} ({record.id}): {record.state} {record.reason}".rstrip())
    print_line(now.sentence)
    if record.state not in OVER:
        orders = driver.gather().orders
        offers, fleet = registry.work.offers(), registry.info().fleet
        if reason := waits_for(orders, offers, bool(now.workers), fleet, record.state, registry.work.holders):
            print_line(reason)
    for worker in now.workers:
        print_line(f"  {worker.sentence}")


def logs(
    round: RoundId,
    follow_: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the round ends.")] = False,
    remote: Remote = None,
    as_json: AsJsonLines = False,
) -> None:
    """Show what happened in a round."""
    from coordinator.commands.follow import events_so_far, events_until_over

    with opened(remote) as registry:
        record = registry.rounds.round(round)
        for event in (events_until_over if follow_ else events_so_far)(registry, record.id):
            if as_json:
                print_json_line(event)
            else:
                print_line(f"{when(event.at)}  {event.kind:<11} {short(event.subject):<11} {event.text}")


def cancel(round: RoundId, remote: Remote = None) -> None:
    """End a round; what it has is kept."""
    registry = registry_in_force(remote)
    record = registry.rounds.round(round)
    if not registry.rounds.move_round(record.id, ["requested", "running"], "cancelling"):
        raise Refusal(
            f"round {record.name} ({record.id}) is {registry.rounds.round(record.id).state}; nothing to cancel"
        )
    print_line(f"round {record.name} ({record.id}) is being cancelled; `round run` takes it up again")


def report_(
    round: RoundId,
    output: Annotated[Path | None, typer.Option(help="Folder for report.json, round.json and figure.png.")] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show the result of a round as a table."""
    registry = registry_in_force(remote)
    record = registry.rounds.round(round)
    found = result(registry, record)
    if output is not None:
        from coordinator.commands.running import keep

        keep(output, found, record)
    _show(found, as_json)


def _show(found: Report, as_json: bool) -> None:
    print_json(found) if as_json else show_report(found)


def _names(recipes: str | None) -> tuple[str, ...] | None:
    return None if recipes is None else tuple(name.strip() for name in recipes.split(",") if name.strip())
