"""The offset of this machine's clock from the registry's, measured again and again, for what Flower checks.

Flower refuses a node whose clock is more than five seconds ahead. So the SuperNode signs its calls with the registry's
time: it adds what was measured, which it reads from a file beside that of its lane.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

AGAIN_SECONDS = 60.0
"""Time between two measurements."""
_LONGEST_ANSWER = 5.0
"""An answer that took longer says too little about the clock."""


class Offset(NamedTuple):
    """A difference between two clocks."""

    seconds: float
    """The registry's time less this machine's."""
    near: bool
    """Whether the answer came soon enough to tell."""


def measured(registry: Callable[[], float], clock: Callable[[], float] = time.time) -> Offset:
    """The difference between the registry's clock, which `registry` asks for, and this machine's.

    Raises:
        Unreachable: when the registry does not answer.
    """
    began, before = time.monotonic(), clock()
    now = registry()
    took = time.monotonic() - began
    return Offset(now - (before + took / 2), took < _LONGEST_ANSWER)


class RegistryClock:
    """Measures the difference, and notes it for the SuperNode."""

    def __init__(self, path: Path, registry: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        """`registry` asks for the registry's time, in seconds since 1970; `clock` is this machine's."""
        self._path, self._registry, self._clock = path, registry, clock
        self._next = 0.0

    def look(self, soon: bool = False) -> None:
        """Measure if it is time, or at once where `soon` is set; call it every few seconds.

        Raises:
            Unreachable: when the registry does not answer.
        """
        if not soon and time.monotonic() < self._next:
            return
        offset = measured(self._registry, self._clock)
        if offset.near:
            self._note(offset.seconds)
        self._next = time.monotonic() + AGAIN_SECONDS

    def _note(self, seconds: float) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_text(f"{seconds:.3f}", encoding="utf-8")
        temporary.replace(self._path)


def seconds_to_add(path: Path) -> float:
    """What was measured last: the registry's time less this machine's; 0 where nothing was."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0
