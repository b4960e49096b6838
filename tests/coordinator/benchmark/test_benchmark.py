"""`ratatouille benchmark` on small data of one's own: forecast, run, report, and the second call."""

import re
from pathlib import Path
from typing import Any

import pytest

from ratatouille.exchange.signing import Signer
from ratatouille.tasks.node import read_node_settings
from ratatouille.tasks.synthetic import synthetic_tasks
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import LogQuery
from tests.coordinator.federation import NODES, SIZE, Ground
from tests.ratatouille.cli.call import Called, call

STEPS = 6


class Bench:
    """Files, and the command."""

    def __init__(self, folder: Path) -> None:
        import tomli_w

        ground = Ground(folder, STEPS)
        self.folder = folder / "bench"
        self.file = ground.round
        arguments: list[Any] = ["--foundation", ground.foundation, "--architecture", "test_resnet"]
        for name in NODES:
            arguments += ["--node", ground.node_file(name)]
        for task in synthetic_tasks().values():
            path = folder / f"{task.name}.task.toml"
            path.write_text(tomli_w.dumps(task.model_dump(mode="json")))
            arguments += ["--task", path]
        self.arguments = [*arguments, "--folder", self.folder, "--runs", 2, "--workers", 1]

    def run(self, *more: Any) -> Called:
        """Call it."""
        return call("benchmark", self.file, *self.arguments, *more)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def test_a_benchmark_is_forecast_run_reported_and_extended(bench: Bench) -> None:
    recipes = ["--recipes", "vanilla,soup,ratatouille"]
    dry = bench.run("--trials", 2, "--dry-run", *recipes, "--json").json
    # two runs of soup and one more of ratatouille in each trial, and the auxiliary run that it starts from
    assert (dry["rounds"], dry["trainings"], dry["known"]) == (2, 7, 0)
    assert dry["asked"] > dry["trainings"]
    assert dry["steps"] == 7 * STEPS
    assert 0 < dry["seconds_per_step"] < 60  # measured, since nothing is trained yet
    assert dry["seconds"] == 0
    done = bench.run("--trials", 2, *recipes, "--workers", 2, "--json").json
    assert done["cost"]["known"] == 7
    (summary,) = done["summaries"]
    assert summary["trials"] == 2
    assert {line["recipe"] for line in summary["lines"]} == {"vanilla", "soup", "ratatouille"}
    # more trials: what is done is not done again
    more = bench.run("--trials", 3, *recipes, "--dry-run").out
    assert re.search(r"10 distinct trainings \(\d+ without sharing\), 7 of\s+them done", more)
    assert re.search(r"steps to train with 1 worker: about \d+ ", more)


def test_the_report_is_one_page_without_foreign_hosts_and_the_same_in_markdown(bench: Bench) -> None:
    out = bench.run("--trials", 2, "--recipes", "vanilla,soup,ratatouille").out
    assert "ratatouille" in out
    page = (bench.folder / "report" / "index.html").read_text()
    assert "<svg" in page
    assert not re.search(r"""(src|href)\s*=\s*["']https?:""", page)
    text = (bench.folder / "report" / "report.md").read_text()
    assert "| recipe | runs | validation | held out | seen | new | mean run |" in text
    assert (bench.folder / "report" / "figure-shapes.png").exists()
    assert "## Cost" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stew"], "there is no benchmark 'stew'; name `emoji`, `domainbed`, `admission`, or a round.toml"),
        (["round.toml"], "whose data?"),
        (["domainbed"], "where are the data sets?"),
        (["emoji", "--recipes", "stew"], "there is no recipe 'stew'"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    called = call("benchmark", *arguments, "--folder", tmp_path)
    assert called.code == 2
    assert sentence in " ".join(called.err.split())
    assert not list(tmp_path.iterdir())


def test_rounds_and_nodes_are_left_as_files_that_other_commands_take(bench: Bench) -> None:
    bench.run("--trials", 1, "--recipes", "soup", "--dry-run")
    rounds = sorted((bench.folder / "rounds").iterdir())
    nodes = sorted((bench.folder / "nodes").iterdir())
    assert [path.stem for path in nodes] == sorted(NODES)
    remote = ["--remote", bench.folder / "registry"]
    assert call("round", "plan", rounds[0], *remote, "--json").json["rows"]
    # One of them is checked whole, which tries the device in a process of its own; the others are read.
    assert call("check", nodes[0], *remote).code == 0
    assert [read_node_settings(node).name for node in nodes] == sorted(NODES)


def test_a_benchmark_starts_from_versions_that_another_registry_has(bench: Bench, tmp_path: Path) -> None:
    bench.run("--trials", 1, "--recipes", "ratatouille")
    elsewhere = bench.folder / "registry"
    registry = open_registry(elsewhere)
    still = registry.versions.show("foundation").entry.version.featurizer  # which a run may keep, if no step was better
    version, target = (
        next(
            one.id
            for one in registry.versions.log(LogQuery(kind="fine_tune", task=task))
            if one.version.featurizer != still or task != "shapes"
        )
        for task in ("shapes-pointed", "shapes")
    )
    Maintainer(registry, Signer.open(tmp_path / "key")).release(version, "pointed")
    registry.close()
    ground = Ground(tmp_path, STEPS)
    # The foundation is entered in this process; a benchmark that enters it itself starts another one.
    into = ["--image-size", SIZE, "--as", "foundation", "--remote", tmp_path / "bench" / "registry"]
    assert call("foundation", ground.foundation, "--architecture", "test_resnet", *into).code == 0
    own = ["--folder", tmp_path / "bench", "--trials", 1, "--recipes", "ratatouille", "--remote", elsewhere]
    file = ground.write_round("later", STEPS, starts=["pointed"], auxiliaries=[])
    done = call("benchmark", file, *bench.arguments, *own, "--json").json
    # Two runs and no auxiliary one: the second run starts from the version that was brought, with the same result.
    assert done["cost"]["known"] == 2
    mine = open_registry(tmp_path / "bench" / "registry")
    brought = mine.versions.show("start-pointed").entry
    assert brought.version.featurizer == open_registry(elsewhere).versions.show("pointed").entry.version.featurizer
    assert [parent.version for parent in brought.version.parents] == [mine.releases.aliases()["foundation"]]
    assert brought.version.rule.name == "import"
    ends = [one.version.parents[0].version for one in mine.versions.log(LogQuery(kind="fine_tune"))]
    assert sorted(ends) == sorted([brought.id, mine.releases.aliases()["foundation"]])
    assert "pointed" in (tmp_path / "bench" / "report" / "report.md").read_text()
    # Called again, it goes on; what is not fit is refused as a round does.
    assert call("benchmark", file, *bench.arguments, *own, "--dry-run", "--json").json["known"] == 2
    unfit = ground.write_round("unfit", STEPS, starts=[target], auxiliaries=[])
    called = call("benchmark", unfit, *bench.arguments, *own)
    assert called.code == 2
    assert "was trained on the target 'shapes'" in " ".join(called.err.split())


def test_values_of_the_protocol_can_be_set(bench: Bench) -> None:
    recipes = ["--trials", 1, "--recipes", "ratatouille", "--dry-run"]
    found = bench.run(*recipes, "--set", "auxiliary_steps=2", "--set", "warmup=1", "--json").json
    assert found["steps"] == 2 + STEPS  # the auxiliary run is another one, and so is the one that starts from it
    for written, sentence in (
        ("auxiliary_steps", "'auxiliary_steps' sets nothing; write `--set NAME=VALUE`"),
        ("steps=few", "protocol emoji: steps: input should be a valid integer"),
        ("auxiliary_step=2", "did you mean 'auxiliary_steps'?"),
        ("name=stew", "there is no protocol 'stew'"),
    ):
        called = bench.run(*recipes, "--set", written)
        assert called.code == 2
        assert sentence in " ".join(called.err.split())
