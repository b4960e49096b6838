"""`ratatouille pull` through the real command line: a folder that other software loads, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sqlalchemy import update

from contributor_client.pulling import pull
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.synthetic import synthetic_tasks
from ratatouille.training import numerics
from ratatouille.training.foundation import untrained
from ratatouille.training.network import build, save_part
from ratatouille.weights.canonical import open_part
from registry.schema import VersionRow
from registry.services.local import LocalRegistry
from tests.contributor_client.pantry import Pantry, stock
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    numerics.apply()


def test_timm_loads_what_was_pulled_and_answers_as_the_version_does(pantry: Pantry) -> None:
    assert pantry.ask("pull", "average", "shapes").code == 0
    version = pantry.registry.versions.show("average").entry.version
    architecture = pantry.registry.definitions.architecture(version.architecture)
    ours = build(architecture, 3).eval()
    for part, digest in (("featurizer", version.featurizer), ("head", str(version.head))):
        ours.load(part, open_part(pantry.registry.weights.fetch(digest), architecture.part(part, 3)))  # type: ignore[arg-type]
    theirs: Any = timm.create_model("local-dir:shapes", pretrained=True).eval().to(memory_format=torch.channels_last)
    noise = torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(theirs(noise), ours(noise))
    assert theirs.pretrained_cfg["label_names"] == list(pantry.setup.task.classes)
    assert call("verify", "./shapes").code == 0


def test_a_foundation_is_pulled_without_a_head(pantry: Pantry) -> None:
    written = pantry.ask("pull", "foundation", "--json").json
    id = pantry.registry.versions.resolve("foundation")
    assert written == {
        "folder": f"test_resnet-{id[:10]}",
        "version": id,
        "layout": "timm",
        "new": True,
        "files": ["README.md", "config.json", "model.safetensors", "ratatouille.json"],
    }
    model = timm.create_model(f"local-dir:{written['folder']}", pretrained=True).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 96)
    assert call("verify", f"./{written['folder']}").code == 0


def test_parts_are_the_registrys_own_bytes(pantry: Pantry) -> None:
    written = pantry.ask("pull", "average", "--parts", "--json").json
    version = pantry.registry.versions.show("average").entry.version
    folder = Path(f"shapes-{version.id[:10]}")
    assert written["files"] == ["README.md", "featurizer.safetensors", "head.safetensors", "ratatouille.json"]
    for part, digest in (("featurizer", version.featurizer), ("head", str(version.head))):
        assert (folder / f"{part}.safetensors").read_bytes() == pantry.registry.weights.fetch(digest).read_bytes()
    assert call("verify", f"./{folder}").code == 0


def test_pulling_again_writes_nothing_and_keeps_what_the_maintainers_wrote(pantry: Pantry) -> None:
    assert pantry.ask("pull", "average", "shapes", "--json").json["new"]
    readme = Path("shapes/README.md")
    readme.write_text(readme.read_text().replace("# license: to be", "license: apache-2.0 # to be"))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("shapes").iterdir()}
    again = pantry.ask("pull", "average", "shapes")
    assert "was in 'shapes' already, and is what it says" in again.out
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("shapes").iterdir()} == before


def test_a_folder_with_anything_else_in_it_is_never_touched(pantry: Pantry) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    pantry.ask("pull", "average", "mine").refused("'mine' is there and holds something else", "name another folder")
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    Path("file").write_text("mine")
    pantry.ask("pull", "average", "file").refused("'file' is there and holds something else")
    assert pantry.ask("pull", "average", "shapes").code == 0
    pantry.ask("pull", "first", "shapes").refused("'shapes' holds version", "name another folder, or remove it")
    pantry.ask("pull", "average", "shapes", "--parts").refused("(timm)", "name another folder")
    Path("shapes/model.safetensors").write_bytes(b"")
    pantry.ask("pull", "average", "shapes").refused("does not hold what it says (weights: ", "remove it first")
    assert sorted(path.name for path in Path().iterdir()) == ["file", "mine", "shapes"]


def test_an_empty_folder_is_filled(pantry: Pantry) -> None:
    Path("deep/shapes").mkdir(parents=True)
    assert pantry.ask("pull", "average", "deep/shapes").code == 0
    assert call("verify", "./deep/shapes").code == 0


def test_a_folder_that_cannot_be_written_is_named(pantry: Pantry) -> None:
    Path("file").write_text("x")
    pantry.ask("pull", "average", "file/shapes").refused("file/shapes' cannot be written", "name another folder")


def test_a_network_that_timm_ends_otherwise_is_pulled_in_parts(tmp_path: Path) -> None:
    name, registry, signer = "deit_tiny_distilled_patch16_224", LocalRegistry(tmp_path / "registry"), tmp_path / "key"
    found = untrained(name)
    task = synthetic_tasks()["shapes"]
    head = {"weight": np.zeros((3, found.architecture.width), np.float32), "bias": np.zeros(3, np.float32)}
    files = dict(save_part(part, tmp_path / "start") for part in (found.featurizer, head))
    question = Import(
        architecture=registry.definitions.define_architecture(found.architecture),
        featurizer=next(iter(files)),
        task=registry.definitions.define_task(task),
        head=list(files)[1],
        source="somewhere",
    )
    key = Signer.open(signer)
    receipt = Receipt(assignment=question, node=key.node, featurizer=question.featurizer, head=question.head)
    id = registry.weights.push(key.seal(receipt), files).version
    words = ("pull", id, "it", "--remote", registry.folder)
    call(*words).refused(f"timm does not end {name}", "--parts gives featurizer and head")
    assert not Path("it").exists()
    assert call(*words, "--parts").code == 0


def test_a_retracted_version_is_not_given_out(tmp_path: Path) -> None:
    pantry = stock(tmp_path / "own")
    with pantry.registry.storage.database.write() as connection:
        id = pantry.registry.versions.resolve("first")
        connection.execute(update(VersionRow).where(VersionRow.id == id).values(state="retracted"))
    call("pull", "first", "shapes", "--remote", pantry.registry.folder).refused("is retracted", "not given out")
    assert not Path("shapes").exists()


def test_an_address_is_noted_without_a_secret_and_a_folder_not_at_all(pantry: Pantry) -> None:
    for number, (address, noted) in enumerate(
        [("grpc://anna:secret@host:9290", "grpc://host:9290"), (str(pantry.registry.folder), "")]
    ):
        folder = Path(f"folder-{number}")
        pull(pantry.registry, "average", folder, parts=True, address=address)
        assert json.loads((folder / "ratatouille.json").read_text())["registry"] == noted
        text = "".join((folder / name).read_text() for name in ("ratatouille.json", "README.md"))
        assert "secret" not in text
        assert str(pantry.registry.folder) not in text


KILLED = """
import os, sys

def at_the_last_step(event, arguments):
    if event == "os.rename" and os.path.basename(str(arguments[1])) == "shapes":
        os.kill(os.getpid(), 9)

sys.addaudithook(at_the_last_step)
from ratatouille.cli.main import main
main()
"""


def test_a_pull_that_is_killed_leaves_no_folder_of_that_name(pantry: Pantry) -> None:
    words = ["pull", "average", "shapes", "--parts", "--remote", str(pantry.registry.folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", KILLED, *words], env=environment).returncode == -signal.SIGKILL
    assert not Path("shapes").exists()
    assert pantry.ask("pull", "average", "shapes", "--parts").code == 0
    assert [path.name for path in Path().iterdir()] == ["shapes"]  # nor does anything else stay for ever


@pytest.mark.parametrize(("revision", "options"), [("average", []), ("foundation", []), ("average", ["--parts"])])
def test_the_cards_example_runs(
    pantry: Pantry, revision: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pantry.ask("pull", revision, "shapes", *options)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("image.jpg")
    (example,) = re.findall(r"```python\n(.*?)```", Path("shapes/README.md").read_text(), re.DOTALL)
    capsys.readouterr()
    exec(example, {})
    said = capsys.readouterr().out.strip()
    if revision == "foundation":
        assert said == "torch.Size([1, 96])"
    else:
        name, share = said.split()
        assert name in pantry.setup.task.classes
        assert share.endswith("%")
