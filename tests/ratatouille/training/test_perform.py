"""From an assignment to files and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Import
from ratatouille.record import sha256
from ratatouille.training import numerics
from ratatouille.training.network import save_part
from ratatouille.training.perform import clean, perform
from ratatouille.weights.canonical import open_part
from tests.ratatouille.training.setup import TrainingSetup


def test_a_fine_tuning_leaves_two_canonical_files_under_their_digests(setup: TrainingSetup, tmp_path: Path) -> None:
    outcome = setup.perform(setup.fine_tune(), tmp_path)
    assert set(outcome.files) == {outcome.featurizer, outcome.head}
    for named, path in outcome.files.items():
        assert sha256(path.read_bytes()) == named
    for part, digest in (("featurizer", outcome.featurizer), ("head", outcome.head)):
        assert digest is not None
        open_part(outcome.files[digest], setup.architecture.part(part, 3))  # type: ignore[arg-type]
    assert outcome.seconds > 0
    assert {"torch", "timm", "numpy", "pillow", "python"} == set(outcome.software)
    assert outcome.device


def test_a_probe_makes_a_head_for_the_featurizer_it_was_given(setup: TrainingSetup, tmp_path: Path) -> None:
    outcome = setup.perform(setup.probe(), tmp_path)
    assert outcome.featurizer == setup.digests["featurizer"]
    assert set(outcome.files) == {outcome.head} == {setup.digests["head"]}
    assert [evaluation.cell for evaluation in outcome.evaluations] == [
        Cell(domain="day", split="validation"),
        Cell(domain="night", split="validation"),
    ]


def test_an_evaluation_counts_what_the_training_counted(setup: TrainingSetup, tmp_path: Path) -> None:
    trained = setup.perform(setup.fine_tune(), tmp_path)
    assert trained.featurizer is not None
    assert trained.head is not None
    assignment = setup.evaluate(
        *(evaluation.cell for evaluation in trained.evaluations), featurizer=trained.featurizer, head=trained.head
    )
    counted = setup.perform(assignment, tmp_path, trained.files)
    assert counted.evaluations == trained.evaluations
    assert (counted.featurizer, counted.head, counted.files) == (None, None, {})


def test_the_progress_of_a_training_is_told_step_by_step(setup: TrainingSetup, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    setup.perform(setup.fine_tune(steps=3, warmup=1), tmp_path, progress=lambda *line: told.append(line))
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[0][2].startswith("warm-up, loss ")
    assert told[1][2].startswith("training, loss ")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"revision": 99}, "asks for method revision 99 .* upgrade the older side: pip install"),
        ({"numerics": "bfloat16"}, "numerics 'bfloat16'; this node has revision 2 and 'float32-"),
        ({"fingerprint": "0" * 64}, "has fingerprint .* the work is bound to 000000000000"),
        ({"task": "0" * 64}, "another definition of task 'shapes'"),
        ({"architecture": "0" * 64}, "another architecture"),
        ({"domains": ("dusk",)}, "'dusk' is no domain of task 'shapes'"),
    ],
)
def test_work_under_other_conditions_is_refused(
    setup: TrainingSetup, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence):
        setup.perform(setup.fine_tune(**changes), tmp_path)


def test_an_import_is_no_work_for_a_node(setup: TrainingSetup, tmp_path: Path) -> None:
    question = Import(architecture="0" * 64, featurizer="0" * 64, source="a friend")
    with pytest.raises(Refusal, match="an import is not work for a node"):
        perform(question, setup.task, setup.architecture, setup.data, {}, tmp_path)


def test_a_start_with_nan_is_refused_by_tensor(setup: TrainingSetup, tmp_path: Path) -> None:
    path = setup.start[setup.digests["featurizer"]]
    arrays = {name: np.array(array) for name, array in open_part(path, setup.architecture.featurizer).items()}
    arrays["bn1.bias"][0] = np.nan
    digest, path = save_part(arrays, tmp_path)
    with pytest.raises(Refusal, match=r"the featurizer to start from cannot be used: tensor bn1.bias holds NaN"):
        perform(
            setup.fine_tune(featurizer=digest),
            setup.task,
            setup.architecture,
            setup.data,
            {**setup.start, digest: path},
            tmp_path,
        )


def test_cleaning_removes_what_one_question_left_and_nothing_else(setup: TrainingSetup, tmp_path: Path) -> None:
    first, second = setup.fine_tune(), setup.fine_tune(seed=4)
    gone = setup.perform(first, tmp_path, checkpoint_seconds=0.0)
    kept = setup.perform(second, tmp_path, checkpoint_seconds=0.0)
    clean(tmp_path, first.digest)
    clean(tmp_path, first.digest)
    assert not any(path.exists() for path in gone.files.values())
    assert all(path.exists() for path in kept.files.values())
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"{second.digest}.checkpoint"]


def test_an_unknown_device_is_refused(setup: TrainingSetup, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no device 'abacus'"):
        setup.perform(setup.fine_tune(), tmp_path, device="abacus")
    numerics.apply()  # a second time changes nothing
