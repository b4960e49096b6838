"""`ratatouille analyse`, rehearsed on the tiny synthetic tasks from training to figure."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ratatouille.recipes.studies import STUDIES
from registry.opening import open_registry
from tests.coordinator.federation import NODES, Ground
from tests.ratatouille.cli.call import Called, call

FILES = {"figure.png", "figure.svg", "table.csv", "analysis.json"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    ground = Ground(tmp_path_factory.mktemp("ground"), steps=8)
    ground.enter(open_registry(ground.folder / "registry"))
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
