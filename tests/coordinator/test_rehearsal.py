"""What a rehearsal says of work that is not its own; whole rehearsals are compared in `test_federation`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from coordinator import rehearsal_worker
from coordinator.commands.running import settings_of
from coordinator.driver import RoundDriver
from coordinator.rehearsal import RehearsalSite, rehearse
from ratatouille.analysis.report import report
from ratatouille.exchange.order import Hint
from ratatouille.failure import Failure
from ratatouille.tasks.node import NodeData, NodeSettings
from registry.opening import open_registry
from registry.records import LogQuery
from tests.coordinator.federation import SIZE, Ground
from tests.coordinator.test_matching import probe

PATHS = {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_data_that_no_given_node_holds_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another rehearsal's offers may stand in the same registry.
    worker = rehearsal_worker.RehearsalWorker(RehearsalSite(str(tmp_path / "registry"), (), tmp_path))
    monkeypatch.setattr(rehearsal_worker, "workers", [worker])
    answered, words = rehearsal_worker.work(probe("elsewhere").to_json())
    hint = Hint.from_json(answered)
    assert (hint.outcome, hint.failure) == ("refused", Failure(code="data-not-held"))
    assert "data that another node offers" in words


def test_worker_processes_end_with_a_rehearsal_that_is_killed(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from coordinator.rehearsal_worker import RehearsalSite, open_site
from ratatouille.processes.ending import process_pool

if __name__ == "__main__":
    site = RehearsalSite(sys.argv[1], (), Path(sys.argv[1]))
    with process_pool(1, open_site, (site,)) as pool:
        print(pool.submit(abs, -1).result(), flush=True)
        time.sleep(600)
"""
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "registry")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | PATHS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_a_tiny_domain_of_one_node_does_not_fail_the_round_of_all(tmp_path: Path) -> None:
    """Tom offers one image of a style that nobody else has; nobody can train there, and the others' round is made."""
    ground = Ground(tmp_path, steps=3)
    night = tmp_path / "data" / "shapes" / "night" / "disc"
    few = tmp_path / "few" / "night" / "disc"
    few.mkdir(parents=True)
    shutil.copy(min(night.iterdir()), few)
    held = {"ann": (tmp_path / "data" / "shapes", "day"), "tom": (few.parents[1], "night")}
    held["eve"] = (tmp_path / "data" / "shapes", "sketch")
    nodes = []
    for name, (path, domain) in held.items():
        data = NodeData(task="shapes", path=path, domains={domain: domain}, group="stem", missing_classes="allow")
        nodes.append(NodeSettings(name=name, trains=name != "eve", data=(data,)))
    registry = open_registry(tmp_path / "registry")
    ground.enter(registry)
    file = ground.write_round("tiny", 3, recipes=["vanilla"], slices=[])
    settings = settings_of(file, runs=1, steps=None)
    round = rehearse(settings, RehearsalSite(str(tmp_path / "registry"), tuple(nodes), tmp_path / "work"))
    assert [share.domains for share in round.training] == [("day",)]
    assert [gap.domain for gap in round.left_out] == ["night"]
    record = registry.rounds.round(round.id)
    assert record.state == "done", record.reason
    plan = RoundDriver.of(record, registry).gather()
    assert plan.done
    named = {entry.id: entry.recipes for entry in registry.versions.log(LogQuery(round=round.id)) if entry.recipes}
    assert plan.outcomes[0].final is not None
    assert named.keys() == {plan.outcomes[0].final.version}
    assert [(one.recipe, one.round_name) for one in named.popitem()[1]] == [("vanilla", "tiny")]
    (gap,) = report(round, plan.outcomes).gaps
    assert "domain night of task shapes in the holding" in gap
    assert gap in [event.text for event in registry.rounds.events(0, round.id)]
    registry.close()


def test_what_a_registry_owes_for_credit_is_counted_by_a_rehearsal(tmp_path: Path) -> None:
    ground = Ground(tmp_path, steps=3)
    images = tmp_path / "data" / "shapes"
    nodes = [
        NodeSettings(
            name=name,
            trains=domain != "sketch",
            data=(NodeData(task="shapes", path=images, domains={domain: domain}, group="stem"),),
        )
        for name, domain in {"ann": "day", "ben": "night", "eve": "sketch"}.items()
    ]
    registry = open_registry(tmp_path / "registry")
    ground.enter(registry)
    settings = settings_of(ground.write_round("tiny", 3, recipes=["soup"], slices=[]), runs=2, steps=None)
    site = RehearsalSite(str(tmp_path / "registry"), tuple(nodes), tmp_path / "work")
    rehearse(settings, site)
    (soup,) = (entry.id for entry in registry.versions.log() if entry.recipes)
    owed = registry.work.owe_credit(soup, SIZE)
    assert len(owed) == 3
    rehearse(settings, site)
    assert registry.work.obligations() == []
    found = registry.versions.credit(soup)
    assert (found.basis, found.answered, found.networks) == ("held_out", 3, 9)
    assert {row.names: row.exact for row in found.contributors} == {("ann",): "1/2", ("ben",): "1/2"}
    for row in found.contributors:
        assert row.gain is not None
        assert row.own is not None
        assert (row.gain.self_reported, row.own.self_reported, row.own.domains) == (False, True, 1)
    registry.close()
