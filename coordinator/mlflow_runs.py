"""A round as MLflow runs: one for the round, and below it one for each recipe and for each training.

Settings become parameters, curves metrics with a step, scores metrics of their run; the table, the figure and the files
of the round's report lie with the round's run. Runs are found again by a tag: what is finished is left alone, and what
an export left unfinished is made anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ratatouille.analysis.report import Report, ReportRow, Score
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.receipt import Receipt
from ratatouille.recipes.outcome import Outcome
from ratatouille.recipes.round import Round
from ratatouille.record import Name, Record
from registry.records import Entry, RoundRecord
from registry.services.registry import Registry

TAG = "ratatouille.id"
TABLE = "table.json"
LONGEST_VALUE = 6000
"""Characters of a parameter that MLflow keeps."""
BATCH = 100
"""Parameters of one call; MLflow takes no more."""
_STATUSES = {"done": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


@dataclass(frozen=True)
class RunContent:
    """One run as it is written."""

    id: str
    """By this a later export finds it again."""
    name: str
    began: float
    ended: float
    """Both in seconds since 1970."""
    parameters: Mapping[str, object]
    metrics: Sequence[tuple[str, float, int]] = ()
    """Name, value and step."""
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "FINISHED"


class ExportedRound(Record):
    """A round that was written as MLflow runs."""

    round: Name
    experiment: str
    run: str
    """MLflow's id of the round's run."""
    written: int
    """Runs that are new."""
    known: int
    """Runs that were there already."""


def trainings(registry: Registry, outcomes: Sequence[Outcome]) -> dict[str, tuple[Entry, Receipt]]:
    """The trainings of a round's recipes and those that they started from, by version."""
    found: dict[str, tuple[Entry, Receipt]] = {}
    for version in dict.fromkeys(run.version for outcome in outcomes for run in outcome.members if run.version):
        for row in registry.versions.lineage(version, depth=1):
            if row.entry.version.rule.name == "fine_tune" and row.entry.id not in found:
                sealed = registry.versions.receipt(row.entry.id)
                if sealed is not None:
                    found[row.entry.id] = row.entry, Receipt.from_json(sealed.body)
    return found


def round_run(record: RoundRecord, round: Round, report: Report) -> RunContent:
    """The run of a round: its settings, and how many runs its recipes have."""
    return RunContent(
        id=record.id,
        name=record.name,
        began=record.created,
        ended=record.changed,
        parameters=_flat(round.model_dump(mode="json")),
        metrics=[(f"runs/{row.recipe}", float(row.runs), 0) for row in report.rows],
        tags={"mlflow.note.content": report.verdict},
        status=_STATUSES[record.state],
    )


def recipe_run(record: RoundRecord, row: ReportRow) -> RunContent:
    """The run of a recipe: its final version and the scores of its row in the report."""
    scores: dict[str, Score | None] = {"validation": row.validation}
    scores |= {f"held_out/{name}": score for name, score in row.held_out.items()}
    metrics = [(name, score.value, 0) for name, score in scores.items() if score is not None]
    metrics += [(f"margin/{name}", score.margin, 0) for name, score in scores.items() if score is not None]
    singles = {"mean_run": row.mean_run, "run_spread": row.run_spread, "best_run": row.best_run}
    metrics += [(name, value, 0) for name, value in singles.items() if value is not None]
    kept = ("recipe", "version", "featurizer", "head", "runs", "wanted", "untrained", "trials")
    return RunContent(
        id=f"{record.id}/{row.recipe}",
        name=row.recipe,
        began=record.created,
        ended=record.changed,
        parameters=row.model_dump(mode="json", include=set(kept), exclude_none=True),
        metrics=metrics,
        tags={"ratatouille.kind": "recipe"},
    )


def training_run(record: RoundRecord, entry: Entry, receipt: Receipt) -> RunContent:
    """The run of a training: its settings, and its curve by step."""
    assert isinstance(receipt.assignment, FineTune), "only a fine-tuning has a curve"
    metrics = [
        (name, value, point.step)
        for point in receipt.curve
        for name, value in (
            ("loss", point.loss),
            ("validation_loss", point.validation_loss),
            ("validation_score", point.score),
        )
        if value is not None
    ]
    return RunContent(
        id=f"{record.id}/{entry.id}",
        name=f"{entry.task_name} {entry.id[:10]}",
        began=entry.created - receipt.seconds,
        ended=entry.created,
        parameters=_flat(receipt.assignment.model_dump(mode="json")),
        metrics=metrics,
        tags={
            "ratatouille.kind": "training",
            "ratatouille.version": entry.id,
            "ratatouille.contributor": entry.contributor or (entry.node or "")[:10],
            "ratatouille.device": receipt.device,
        },
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested values with a dot in their names; lists as JSON."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[prefix + name] = json.dumps(value) if isinstance(value, list | tuple) else value
    return found


def export(
    uri: str, client: Any, experiment: str, record: RoundRecord, runs: Sequence[RunContent], report: Report, files: Path
) -> ExportedRound:
    """Write runs, the first of which is the round's, with the files of a folder and the report's table.

    Raises:
        Refusal: when MLflow does not take them.
    """
    with _refusals(uri):
        known = client.get_experiment_by_name(experiment)
        place = known.experiment_id if known is not None else client.create_experiment(experiment)
        finished = {run.id: _finished_run(client, place, run) for run in runs}
        parent = finished[runs[0].id] or _start(client, place, runs[0], None)
        for run in runs[1:]:
            if finished[run.id] is None:
                _end(client, run, _start(client, place, run, parent))
        if finished[runs[0].id] is None:
            client.log_artifacts(parent, str(files))
            client.log_text(parent, json.dumps(_table(report)), TABLE)
            client.set_tag(parent, "mlflow.loggedArtifacts", json.dumps([{"path": TABLE, "type": "table"}]))
            _end(client, runs[0], parent)  # last: until then the export is unfinished
    written = sum(one is None for one in finished.values())
    return ExportedRound(round=record.id, experiment=experiment, run=parent, written=written, known=len(runs) - written)


def client_of(uri: str) -> Any:
    """MLflow's client. It sends nothing anywhere else, and gives up after one retry where nobody answers.

    Raises:
        Refusal: when it is no address that MLflow knows.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # it prints the address, which may hold a password
    if urlsplit(uri).scheme in ("", "file"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # since 3.13 MLflow refuses folders without it
    from mlflow import MlflowClient

    with _refusals(uri):
        return MlflowClient(tracking_uri=uri)


def _finished_run(client: Any, experiment: str, run: RunContent) -> str | None:
    """MLflow's id of this run, if a whole one is there; an unfinished one is deleted."""
    for found in client.search_runs([experiment], f"tags.`{TAG}` = '{run.id}'"):
        if found.info.status == run.status:
            return str(found.info.run_id)
        client.delete_run(found.info.run_id)
    return None


def _start(client: Any, experiment: str, run: RunContent, parent: str | None) -> str:
    tags = {TAG: run.id, **run.tags} | ({} if parent is None else {"mlflow.parentRunId": parent})
    made = client.create_run(experiment, start_time=round(1000 * run.began), tags=tags, run_name=run.name)
    return str(made.info.run_id)


def _end(client: Any, run: RunContent, id: str) -> None:
    from mlflow.entities import Metric, Param

    at = round(1000 * run.ended)
    parameters = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in run.parameters.items()]
    for begin in range(0, len(parameters), BATCH):
        client.log_batch(id, params=parameters[begin : begin + BATCH])
    metrics = [Metric(name, value, at, step) for name, value, step in run.metrics]
    for begin in range(0, len(metrics), 10 * BATCH):
        client.log_batch(id, metrics=metrics[begin : begin + 10 * BATCH])
    client.set_terminated(id, run.status, at)


def _table(report: Report) -> dict[str, object]:
    """The report's rows in the form in which MLflow shows tables."""
    rows = [_flat(row.model_dump(mode="json")) for row in report.rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}


@contextmanager
def _refusals(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into refusals. An address may hold a password in any of its parts: its kind is shown."""
    parts = urlsplit(uri)
    shown = uri if parts.scheme in ("", "file") else f"{parts.scheme}://…"
    try:
        yield
    except (Refusal, ModuleNotFoundError):
        raise
    except Exception as error:  # MLflow, its stores and its HTTP client have no common base
        first = str(error).replace(uri, shown).strip().splitlines()[:1] or [type(error).__name__]
        raise Refusal(f"MLflow at {shown} does not take the round: {first[0]}") from error
