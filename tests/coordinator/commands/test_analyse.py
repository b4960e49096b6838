"""`ratatouille analyse`, rehearsed on the tiny synthetic tasks from training to figure.

A federation answers it in `test_federation`, which has one.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from coordinator.commands.running import settings_of
from coordinator.rehearsal import RehearsalSite, rehearse_all
from ratatouille.recipes.studies import STUDIES
from ratatouille.tasks.node import read_node_settings
from registry.opening import open_registry
from tests.coordinator.federation import NODES, Ground
from tests.ratatouille.cli.call import Called, call

FILES = {"figure.png", "figure.svg", "table.csv", "analysis.json"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """One process answers what all studies but the first ask; the command itself rehearses the first."""
    ground = Ground(tmp_path_factory.mktemp("ground"), steps=8)
    ground.enter(open_registry(ground.folder / "registry"))
    nodes = tuple(read_node_settings(ground.node_file(name)) for name in NODES)
    site = RehearsalSite(str(ground.folder / "registry"), nodes, ground.folder / "home" / "rehearsal")
    kinds = list(STUDIES)[1:]
    rehearse_all(
        [settings_of(ground.round, None, None, recipes=STUDIES[kind].recipes, analyses=(kind,)) for kind in kinds], site
    )
    return ground


@pytest.fixture
def rehearsed(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Analyses of one round, in a registry that all of them share."""
    monkeypatch.setenv("RATATOUILLE_HOME", str(ground.folder / "home"))
    monkeypatch.chdir(tmp_path)

    def analyse(kind: str, *words: object) -> Called:
        nodes = [word for name in NODES for word in ("--rehearse", ground.node_file(name))]
        return call("analyse", kind, ground.round, "--remote", ground.folder / "registry", *nodes, *words)

    return analyse


@pytest.mark.parametrize("kind", STUDIES)
def test_an_analysis_has_a_figure_a_table_and_a_sentence(kind: str, rehearsed: Any, tmp_path: Path) -> None:
    called = rehearsed(kind, "--json")
    found = called.json
    folder = tmp_path / f"round-{kind}"
    assert found["folder"] == folder.name
    assert {one.name for one in folder.iterdir()} == FILES
    assert all(one.stat().st_size > 100 for one in folder.iterdir())
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    kept = json.loads((folder / "analysis.json").read_text())
    assert kept | {"folder": folder.name} == found
    assert found["sentence"].endswith(".")
    rows = list(csv.reader((folder / "table.csv").read_text().splitlines()))
    assert rows[0] == found["table"]["columns"]
    assert len(rows) - 1 == len(found["table"]["rows"]) > 0


def test_ends_of_curves_count_as_the_versions_themselves_did(rehearsed: Any) -> None:
    lines = rehearsed("connectivity", "--json").json["result"]["lines"]
    assert {line["kind"] for line in lines} == {
        f"{word} {at}" for word in ("observation", "hypothesis") for at in (1, 2)
    }
    for line in lines:
        for side in (line["validation"], line["held_out"]):
            # Nothing but a mix has the featurizer of an auxiliary task below the target's head.
            assert side["meets_ends"] is (None if line["kind"] == "hypothesis 1" else True)
            assert side["accuracy"][0] == side["line"][0]
            assert side["accuracy"][-1] == side["line"][-1]


def test_asked_again_nothing_is_done_again_and_the_answer_is_the_same(
    rehearsed: Any, ground: Ground, tmp_path: Path
) -> None:
    first = rehearsed("selection", "--json").json
    registry = open_registry(ground.folder / "registry")
    versions = [entry.id for entry in registry.versions.log(limit=1000)]
    pictures = [(tmp_path / "round-selection" / name).read_bytes() for name in sorted(FILES)]
    assert rehearsed("selection", "--json").json == first
    assert [entry.id for entry in registry.versions.log(limit=1000)] == versions
    assert [(tmp_path / "round-selection" / name).read_bytes() for name in sorted(FILES)] == pictures


def test_people_see_a_table_the_sentence_and_where_the_files_are(rehearsed: Any, tmp_path: Path) -> None:
    called = rehearsed("selection", "--output", tmp_path / "kept")
    assert called.code == 0
    assert called.out.splitlines()[-1].endswith(f"are in {tmp_path / 'kept'}")
    assert json.loads((tmp_path / "kept" / "analysis.json").read_text())["sentence"] in called.out


def test_a_round_is_written_as_mlflow_runs_once(
    rehearsed: Any, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsed("selection")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    words = ("round", "export", "round", "--mlflow", tmp_path / "runs", "--remote", ground.folder / "registry")
    done = call(*words, "--json").json
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(tmp_path / "runs"))
    (experiment,) = [one for one in client.search_experiments() if one.name == done["experiment"]]
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == done["written"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    parent = client.get_run(done["run"])
    assert parent.data.params["protocol.steps"] == "8"
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs} == {None, done["run"]}
    files = {one.path for one in client.list_artifacts(done["run"])}
    assert files == {"figure.png", "report.json", "round.json", "table.json"}
    table = json.loads(Path(client.download_artifacts(done["run"], "table.json", str(tmp_path))).read_text())
    recipes = [run for run in runs if run.data.tags.get("ratatouille.kind") == "recipe"]
    assert {row[table["columns"].index("recipe")] for row in table["data"]} == {run.info.run_name for run in recipes}
    assert all(0 <= run.data.metrics["held_out/all"] <= 1 for run in recipes)
    (one, *_) = [run for run in runs if run.data.tags.get("ratatouille.kind") == "training"]
    assert [point.step for point in client.get_metric_history(one.info.run_id, "validation_loss")][-1] == 8
    assert float(one.data.params["learning_rate"]) > 0
    client.set_terminated(one.info.run_id, "RUNNING")  # as an export that broke off leaves it
    again = call(*words, "--json").json
    assert (again["run"], again["written"], again["known"]) == (done["run"], 1, done["written"] - 1)


def test_a_round_is_not_exported_where_mlflow_knows_no_such_address(
    rehearsed: Any, ground: Ground, tmp_path: Path
) -> None:
    rehearsed("selection")
    words = ("round", "export", "round", "--remote", ground.folder / "registry")
    refused = call(*words, "--mlflow", "carrier-pigeon://ann:secret@loft")
    refused.refused("MLflow at carrier-pigeon://… does not take the round")
    assert "secret" not in refused.err


def test_an_unknown_analysis_is_refused_before_anything_is_asked(rehearsed: Any) -> None:
    rehearsed("taste").refused("there is no analysis 'taste'", "connectivity, diversity, auxiliaries, selection")
