"""Rounds from Python: laid out, run and read in a few lines, and run again without new work."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.experiment import Experiment
from coordinator.settings import RoundSettings
from ratatouille.errors import Refusal
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.records import LogQuery
from tests.coordinator.federation import SIZE, Ground
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home

TASK = synthetic_tasks()["shapes"]


def settings(*recipes: str) -> RoundSettings:
    protocol = {"name": "emoji", "image_size": SIZE, "runs": 2, "steps": 4, "warmup": 1, "batch": 4, "average_from": 1}
    return RoundSettings(
        name="-".join(recipes),
        target="shapes",
        held_out=("sketch",),
        recipes=recipes,
        foundation="foundation",
        protocol=protocol,
    )


def test_rounds_share_their_runs_and_a_second_call_does_nothing_new(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "ground")
    images = {"shapes": ground.folder / "data" / "shapes"}
    # The foundation is entered in this process; an experiment that enters it itself starts another one.
    into = ["--image-size", SIZE, "--as", "foundation", "--remote", tmp_path / "registry"]
    assert call("foundation", ground.foundation, "--architecture", "test_resnet", *into).code == 0

    def laid_out() -> Experiment:
        return Experiment(tmp_path, [TASK], images, str(ground.foundation), SIZE, "stem", "test_resnet")

    first = laid_out()
    vanilla, soup = first.run(settings("vanilla"), settings("soup"))
    assert [row.recipe for row in (*vanilla.rows, *soup.rows)] == ["vanilla", "soup"]
    assert len(first.registry.versions.log(LogQuery(kind="fine_tune"))) == 2
    last = first.registry.rounds.events(limit=10_000)[-1].number
    again = laid_out()
    assert again.run(settings("vanilla"), settings("soup")) == [vanilla, soup]
    assert not [
        event for event in again.registry.rounds.events(last) if event.kind in ("version", "evaluation", "alias")
    ]


def test_a_foundation_that_cannot_be_entered_is_refused(tmp_path: Path) -> None:
    images = {"shapes": write_synthetic("shapes", tmp_path / "images")}
    with pytest.raises(Refusal, match=r"no foundation 'lost\.safetensors'"):
        Experiment(tmp_path / "experiment", [TASK], images, "lost.safetensors")
