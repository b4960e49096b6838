"""Taking turns on one machine: nodes that share its processors train a few at a time.

More trainings at once than processors make all of them slower (their caches compete), so nodes of one machine may name
a common folder of locks. A lock is held while an assignment is worked on and is free again when its process ends,
however it ends. Nodes on machines of their own need none of this.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ratatouille.processes.locks import lock

_PAUSE = 0.1


@contextmanager
def turn(folder: Path | None, at_once: int) -> Iterator[None]:
    """Wait until one of `at_once` locks in the folder is free, and hold it; without a folder, do not wait."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = _first_free(folder, at_once)
    try:
        yield
    finally:
        os.close(descriptor)


def _first_free(folder: Path, at_once: int) -> int:
    while True:
        for number in range(at_once):
            with suppress(BlockingIOError):
                return lock(folder / f"turn-{number}", mode=0o666)  # nodes of several users may share the folder
        time.sleep(_PAUSE)
