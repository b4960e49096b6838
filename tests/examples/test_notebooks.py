"""The notebooks run from their first cell to their last, and are kept without outputs and without places of a machine.

A notebook is JSON, and its code is plain Python without magics: so its cells are run one after the other in a fresh
process, as a kernel does, and neither a kernel nor a server has to be installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = {path.name: path for path in sorted((ROOT / "examples").glob("*.ipynb"))}
KERNEL = """
import json, sys
cells = json.loads(open(sys.argv[1], encoding="utf-8").read())["cells"]
for number, cell in enumerate(cells):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), globals())
"""
SAYS = {
    "emoji.ipynb": [
        r"emoji-things \(target\): ",
        r"\nratatouille +starts: auxiliary",
        r"\nsoup +[\d.]+ ± [\d.]+ +\(mean of its runs [\d.]+",
        r"largest difference: [\d.]+(e-\d+)?\n",
        r"\nok +.*average",
    ],
    "own_folders.ipynb": [
        r"shapes-round \(auxiliary\): gear, pentagon, propeller in day, night, sketch",
        r"\nratatouille +[\d.]+ % +\[",
        r"\nratatouille − vanilla: [+-][\d.]+ points",
        r"% of 36 images, with its own head",
        r"disc, square, triangle",
    ],
}


def content(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))
    return document


def test_every_notebook_has_its_test() -> None:
    assert SAYS.keys() == NOTEBOOKS.keys()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "RATATOUILLE_QUICK": "1", "RATATOUILLE_HOME": str(tmp_path / "home")}
    environment |= {"MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
    command = [sys.executable, "-P", "-c", KERNEL, str(NOTEBOOKS[name])]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    for pattern in SAYS[name]:
        assert re.search(pattern, done.stdout), (pattern, done.stdout)
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs_and_names_no_place_of_one_machine(name: str) -> None:
    for cell in content(name)["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.~`])/(?:home|root|work|tmp|Users|mnt|opt|var)/|[A-Z]:\\\\", text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_begins_with_a_title_and_its_code_is_plain_python(name: str) -> None:
    document = content(name)
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert document["metadata"]["kernelspec"]["name"] == "python3"
    first, *rest = document["cells"]
    assert first["source"][0].startswith("# ")
    for cell in rest:
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), name, "exec")
