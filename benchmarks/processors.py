"""Processor time of a family of processes, by what each of them runs."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from types import TracebackType

import psutil

PARTS = {
    "coordinator.flower_superlink": "SuperLink (Flower)",
    "contributor_client.flower_supernode": "SuperNodes (Flower)",
    "coordinator.executor": "executor and ServerApps",
    "registry.server": "registry service",
    "contributor_client.worker": "workers",
    "coordinator up": "coordinator",
    "node join": "nodes",
    "--multiprocessing-fork": "workers",
    "multiprocessing.forkserver": "workers",
    "round run": "rehearsal",
}
"""Words of a command line → what runs there."""
_SAMPLE_SECONDS = 0.2


class ProcessorTime:
    """Seconds of a processor that the children of this process take while it is open; a context manager.

    Linux and macOS forget the time of a process when it ends, so a thread notes it five times a second; what a process
    does in its last fifth of a second is not counted.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], tuple[str, float]] = {}
        self._history: list[tuple[float, dict[str, float]]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> ProcessorTime:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def by_part(self, begin: float = 0.0, end: float = math.inf) -> Mapping[str, float]:
        """Part → seconds of a processor between two moments, in seconds since 1970; the largest first."""
        history = self._history.copy()
        before = next((parts for moment, parts in reversed(history) if moment <= begin), history[0][1])
        after = next((parts for moment, parts in history if moment >= end), history[-1][1])
        found = {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}
        return dict(sorted(found.items(), key=lambda one: -one[1]))

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        for process in psutil.Process(os.getpid()).children(recursive=True):
            try:
                with process.oneshot():
                    words, times = " ".join(process.cmdline()), process.cpu_times()
                    key = (process.pid, process.create_time())
            except psutil.NoSuchProcess:
                continue
            part = next((part for word, part in PARTS.items() if word in words), "others")
            self._seen[key] = ("reapers" if "reaper.py" in words else part, times.user + times.system)
        parts: dict[str, float] = {}
        for part, seconds in self._seen.values():
            parts[part] = parts.get(part, 0.0) + seconds
        self._history.append((time.time(), parts))
