"""`ratatouille round export`: a round for other software that keeps experiments."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from coordinator.commands.round import RoundId
from coordinator.commands.running import keep
from coordinator.driver import RoundDriver
from coordinator.results import reported
from ratatouille.cli.output import AsJson, Remote, print_json, print_line
from ratatouille.errors import Refusal
from ratatouille.wording import number_of
from registry.commands.opened import opened
from registry.records import OVER


def export(
    round: RoundId,
    mlflow: Annotated[
        str,
        typer.Option(
            "--mlflow", help="Where MLflow keeps runs: a folder, sqlite:///FILE or http://HOST.", metavar="URI"
        ),
    ],
    experiment: Annotated[
        str | None, typer.Option(help="MLflow's experiment (default: the round's target).", metavar="NAME")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Write a round as MLflow runs: settings, metrics by step, table and figure.

    One run for the round, and below it one for each recipe and each training. What is there already stays as it is. It
    needs the extra [mlflow], and sends nothing but what the registry shows to every reader.
    """
    import matplotlib  # noqa: F401  (its absence must show first)

    from coordinator import mlflow_runs

    client = mlflow_runs.client_of(mlflow)
    with opened(remote) as registry, TemporaryDirectory() as files:
        record = registry.rounds.round(round)
        if record.state not in OVER:
            raise Refusal(f"round {record.name} ({record.id}) is {record.state}; export it when it has ended")
        driver = RoundDriver.of(record, registry)
        plan = driver.gather()
        found = reported(registry, driver, plan, record.reason)
        keep(Path(files), found, record)
        trained = mlflow_runs.trainings(registry, plan.outcomes)
        runs = [
            mlflow_runs.round_run(record, driver.round, found),
            *(mlflow_runs.recipe_run(record, row) for row in found.rows),
            *(mlflow_runs.training_run(record, *one) for one in trained.values()),
        ]
        done = mlflow_runs.export(mlflow, client, experiment or found.target, record, runs, found, Path(files))
    if as_json:
        print_json(done)
        return
    written = number_of(done.written, "run")
    known = f"; {done.known} were there already" if done.known else ""
    print_line(f"MLflow's experiment {done.experiment} has round {record.name} as run {done.run}: {written}{known}")
