"""Local checkpoints, so that a killed run goes on as if nothing had happened: same bits at the end.

One file for each question, written whole or not at all, read with `weights_only=True`. It never leaves the node. A file
that cannot be read, or that other software wrote, is ignored: the run starts over.
"""

from __future__ import annotations

import io
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from ratatouille.tasks.stored import write_whole

FORMAT = 1


class CheckpointFile:
    """The checkpoint of one run; `due` says when the next one should be written."""

    def __init__(self, folder: Path, work_id: str, software: dict[str, str], seconds: float = 30.0) -> None:
        """Keep it as `<work id>.checkpoint` in a folder; `seconds` between two checkpoints, 0 for one at every step."""
        self.path = folder / f"{work_id}.checkpoint"
        self._stamp = {"format": FORMAT, "work_id": work_id, "software": software}
        self._seconds = seconds
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether enough time has passed."""
        return time.monotonic() - self._written >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint.

        Raises:
            Refusal: if the disk is full or the folder cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({"stamp": self._stamp, "state": state}, buffer)
        write_whole(self.path, [buffer.getvalue()], private=True)
        self._written = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None if there is none that this software wrote for this question."""
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        if not isinstance(saved, dict) or saved.get("stamp") != self._stamp:
            return None
        state: dict[str, Any] = saved["state"]
        return state

    def remove(self) -> None:
        """The answer is safe elsewhere."""
        self.path.unlink(missing_ok=True)
