"""docs/use.md does what it says: its snippets run one after the other, on a registry with a tiny network."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.task import Task, load_task
from ratatouille.training import numerics
from ratatouille.training.foundation import untrained
from ratatouille.training.network import save_part
from registry.maintainer import Maintainer
from registry.services.local import LocalRegistry
from tests.docs.pages import ROOT, blocks, text_of
from tests.docs.test_snippets import the
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home

PAGE = "docs/use.md"
OURS = [block for block in (*blocks("python"), *blocks("sh")) if block.page == PAGE]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    """The remote in force: the tutorial's leaves with an untrained network, released as `stable`."""
    numerics.apply()
    registry = LocalRegistry(tmp_path / "registry")
    found = untrained("test_resnet", input_size=32)
    leaves = the("leaves.task.toml", tmp_path)
    assert isinstance(leaves, Task)
    generator = np.random.default_rng(0)
    head = {"weight": generator.standard_normal((3, 96), np.float32), "bias": np.zeros(3, np.float32)}
    (featurizer, body), (top, layer) = (save_part(part, tmp_path / "start") for part in (found.featurizer, head))
    question = Import(
        architecture=registry.definitions.define_architecture(found.architecture),
        featurizer=featurizer,
        task=registry.definitions.define_task(leaves),
        head=top,
        source="untrained",
    )
    signer = Signer.open(tmp_path / "key")
    receipt = Receipt(assignment=question, node=signer.node, featurizer=featurizer, head=top)
    result = registry.weights.push(signer.seal(receipt), {featurizer: body, top: layer})
    Maintainer(registry, signer).release(str(result.version), "stable")
    monkeypatch.setenv("RATATOUILLE_REMOTE", str(registry.folder))
    return registry


def test_the_page_s_snippets_run_from_the_first_to_the_last(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    for name, image in zip(("leaf.jpg", "other.jpg"), pixels, strict=True):
        Image.fromarray(image).save(name)
    torch.save({"weight": torch.zeros(2)}, "model.pth")
    batches = [(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 0]))]
    known: dict[str, object] = {"batches": batches}
    said = []
    for block in sorted(OURS, key=lambda block: block.line):
        if block.language == "sh":
            for line in block.text.splitlines():
                if not line.startswith("ratatouille "):  # the Hub's own command
                    continue
                called = call(*shlex.split(line, comments=True)[1:])
                assert called.code == 0, (block.where, line, called.err)
                said.append(called.out)
        elif "transformers" not in block.text:
            capsys.readouterr()
            exec(compile(block.text, block.where, "exec"), known)
            said.append(capsys.readouterr().out)
    classes = load_task(tmp_path / "leaves.task.toml").classes
    assert [line.split()[0] in classes for line in said[0].splitlines()] == [True, True]
    assert sorted(path.name for path in Path().iterdir() if path.is_dir()) == ["leaves", "leaves-parts", "leaves-tuned"]
    (entry, start) = registry.versions.log()
    assert entry.message == "two hundred pictures of our garden"
    assert entry.version.parents[0].version == start.id
    assert entry.version.featurizer != start.version.featurizer


def test_the_page_names_every_file_of_a_pulled_folder(registry: LocalRegistry, tmp_path: Path) -> None:
    page = text_of(ROOT / PAGE)
    for name in call("pull", "stable", tmp_path / "leaves", "--json").json["files"]:
        assert f"| `{name}` |" in page
