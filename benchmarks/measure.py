"""Wall time and growth of anonymous memory of one call, in a process of its own.

Anonymous memory is what a program allocates; pages of memory-mapped files belong to the page cache and can be dropped
at any time, so they are not counted. Linux tells the present amount (`RssAnon`) and no peak of it: a thread samples it.
Samples miss peaks shorter than a few milliseconds. Elsewhere the growth is None.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

from ratatouille.processes.ending import process_pool

SAMPLE_SECONDS = 0.002
STATUS = Path("/proc/self/status")
MEMINFO = Path("/proc/meminfo")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What a call returned, how long it took, and how many bytes of anonymous memory it needed at its peak."""

    value: T
    seconds: float
    growth: int | None


def measure(call: Callable[[], T]) -> Measured[T]:
    """Call once."""
    before = _bytes_of(STATUS, "RssAnon")
    peak, ended = before, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(SAMPLE_SECONDS):
            peak = max(peak or 0, _bytes_of(STATUS, "RssAnon") or 0)

    sampler = threading.Thread(target=sample)
    if before is not None:
        sampler.start()
    start = time.perf_counter()
    try:
        value = call()
        seconds = time.perf_counter() - start
    finally:
        ended.set()
    if before is None or peak is None:
        return Measured(value, seconds, None)
    sampler.join()
    return Measured(value, seconds, max(peak, _bytes_of(STATUS, "RssAnon") or 0) - before)


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function of a module, computed by a new interpreter that has nothing in memory yet."""
    with process_pool(1) as pool:
        return pool.submit(function, *args, **kwargs).result()


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, where the system tells."""
    return _bytes_of(MEMINFO, "MemAvailable")


def _bytes_of(file: Path, key: str) -> int | None:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), None)
