"""What a rehearsal says of work that is not its own; whole rehearsals are compared in `test_federation`."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from coordinator import rehearsal
from coordinator.rehearsal import Stage
from ratatouille.exchange.order import Hint
from ratatouille.failure import Failure
from tests.coordinator.test_matching import probe

PATHS = {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_data_that_no_given_node_holds_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another rehearsal's offers may stand in the same registry.
    worker = rehearsal._Worker(Stage(str(tmp_path / "registry"), (), tmp_path))
    monkeypatch.setattr(rehearsal, "_worker", [worker])
    answered, words = rehearsal._work(probe("elsewhere").to_json())
    hint = Hint.from_json(answered)
    assert (hint.outcome, hint.failure) == ("refused", Failure(code="data-not-held"))
    assert "data that another node offers" in words


def test_worker_processes_end_with_a_rehearsal_that_is_killed(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from coordinator.rehearsal import Stage, _open_stage
from ratatouille.processes.pools import process_pool

if __name__ == "__main__":
    stage = Stage(sys.argv[1], (), Path(sys.argv[1]))
    with process_pool(1, _open_stage, (stage,)) as pool:
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
        _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
