"""A pool of processes does its work, and is gone as soon as its owner is interrupted or killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from ratatouille.processes.ending import process_pool

ROOT = Path(__file__).parents[3]


def test_work_is_done_and_comes_back() -> None:
    with process_pool(2) as pool:
        assert list(pool.map(abs, [-1, 2, -3])) == [1, 2, 3]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are spawned")
def test_forked_workers_have_what_their_server_imported_and_their_owner_s_environment_of_now(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, sys
        from ratatouille.processes.ending import process_pool
        def found():
            return "wave" in sys.modules, "colorsys" in sys.modules, os.environ["TODAY"], os.path.basename(os.getcwd())
        if __name__ == "__main__":
            for today in ("monday", "tuesday"):
                os.environ["TODAY"] = today
                os.mkdir(today)
                os.chdir(today)
                with process_pool(1, imports=("wave", "nothing.of.this.name")) as pool:
                    assert pool.submit(found).result() == (True, False, today, today), pool.submit(found).result()
                os.chdir("..")
            with process_pool(1) as pool:
                assert pool.submit(found).result()[0] is False
    """)
    (tmp_path / "owner.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "owner.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_workers_are_spawned_where_a_socket_has_too_long_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with process_pool(1, imports=("ratatouille.errors",)) as pool:
        assert pool.submit(abs, -1).result() == 1
        (worker,) = multiprocessing.active_children()
        assert type(worker).__name__ == "SpawnProcess"


def _interrupted() -> None:
    with process_pool(1) as pool:
        pool.submit(abs, -1).result()
        for _ in range(3):
            pool.submit(time.sleep, 600)
        raise KeyboardInterrupt


def test_an_exception_leaves_the_pool_without_waiting_for_long_work() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _interrupted()
    assert time.monotonic() - began < 60
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_owner(number: int, tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, time
        from ratatouille.processes.ending import process_pool
        if __name__ == "__main__":
            with process_pool(1) as pool:
                print(pool.submit(os.getpid).result(), flush=True)
                pool.submit(time.sleep, 600).result()
    """)
    (tmp_path / "owner.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    owner = subprocess.Popen(
        [sys.executable, str(tmp_path / "owner.py")], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert owner.stdout is not None
    worker = psutil.Process(int(owner.stdout.readline()))
    owner.send_signal(number)
    owner.wait(60)
    owner.stdout.close()
    _, alive = psutil.wait_procs([worker], 30)
    assert not alive


def test_a_worker_leaves_an_interrupt_to_its_owner() -> None:
    with process_pool(1) as pool:
        worker = pool.submit(os.getpid).result()
        os.kill(worker, signal.SIGINT)
        assert pool.submit(os.getpid).result() == worker
