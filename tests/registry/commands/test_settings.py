from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call


@pytest.fixture
def folder(home: Path) -> Path:
    folder = home / "coordinator" / "registry"
    LocalRegistry(folder).close()
    return folder


def test_settings_are_shown_with_what_they_mean(folder: Path) -> None:
    out = call("registry", "settings").out
    assert "node_transfers" in out
    assert "How many of one node's pushes" in " ".join(out.split())
    assert "fleet" not in out
    assert json.loads(call("registry", "settings", "--json").out)["node_transfers"] == 16


def test_a_setting_is_changed_and_returned(folder: Path) -> None:
    changed = call("registry", "settings", "node_transfers", "4").out
    assert changed.splitlines()[1].split()[:3] == ["node_transfers", "4", "16"], "the value, and the default"
    assert json.loads(call("registry", "settings", "--json").out)["node_transfers"] == 4
    again = call("registry", "settings", "node_transfers", "--default").out
    assert again.splitlines()[1].split()[:3] == ["node_transfers", "16", "How"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["node_transfers"], "give its name and either"),
        (["--default"], "give its name and either"),
        (["node_transfers", "4", "--default"], "give its name and either"),
        (["colour", "4"], "a registry has no setting 'colour'"),
        (["node_transfers", "many"], "'many' is no number"),
        (["node_transfers", "true"], "'true' is no number"),
        (["node_transfers", "4.5"], "the setting node_transfers cannot be '4.5': input should be a valid integer"),
        (["reading", "member"], "the setting reading cannot be 'member': input should be 'public' or 'members'"),
        (["node_transfers", "--", "-1"], "greater than or equal to 0"),
        (["fleet", "4"], "are set by the coordinator"),
        (["--folder", "/nowhere"], "there is no registry in '/nowhere'"),
    ],
)
def test_what_cannot_be_set_is_refused(folder: Path, words: list[str], sentence: str) -> None:
    done = call("registry", "settings", *words)
    assert done.code == 2
    assert sentence in done.err
