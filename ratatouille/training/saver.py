"""Saver of a training, for another thread. It imports no torch, so that a worker without work needs none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Saver:
    """Saves the run that is at work without waiting for its step; a process that must end uses it."""

    def __init__(self) -> None:
        self._save: Callable[[], int | None] = _nothing

    @contextmanager
    def saving(self, save: Callable[[], int | None]) -> Iterator[None]:
        """While the block runs, `save` saves."""
        self._save = save
        try:
            yield
        finally:
            self._save = _nothing

    def save(self) -> int | None:
        """Save the run after its last step, and return that; None while no run is at work, or before its first step.

        Raises:
            Refusal: as `CheckpointFile.save`.
        """
        return self._save()


def _nothing() -> None:
    """No run is at work."""
