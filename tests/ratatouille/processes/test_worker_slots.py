"""Nodes of one machine take turns."""

import threading
import time
from pathlib import Path

from ratatouille.processes.locks import worker_slot


def test_no_more_than_the_given_number_are_in_at_once(tmp_path: Path) -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with worker_slot(tmp_path / "turns", 2):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_without_a_folder_nobody_waits() -> None:
    with worker_slot(None, 1), worker_slot(None, 1):
        pass
