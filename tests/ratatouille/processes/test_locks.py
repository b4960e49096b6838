import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ratatouille.processes.locks import is_locked, lock, locked

HOLDER = """
import sys, time
from pathlib import Path
from ratatouille.processes.locks import lock
lock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


def test_a_file_is_locked_as_long_as_the_block_runs(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)
        with pytest.raises(BlockingIOError):
            lock(path)
    assert not is_locked(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_waits_gets_the_lock_when_the_holder_gives_it_back(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", list[str]()

    def second() -> None:
        with locked(path, wait=True):
            order.append("second")

    first = lock(path)
    thread = threading.Thread(target=second)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    order.append("first")
    os.close(first)
    thread.join(60)
    assert order == ["first", "second"]


def test_a_lock_ends_with_its_process_even_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert is_locked(path)
        holder.kill()
    assert not is_locked(path)


def test_a_refused_lock_leaves_no_descriptor_open(tmp_path: Path) -> None:
    held = lock(tmp_path / "lock")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(BlockingIOError):
            lock(tmp_path / "lock")
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(held)
