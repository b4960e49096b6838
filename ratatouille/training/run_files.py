"""Files of a training that stay on its node: a checkpoint to go on from, and records for the node's owner.

A killed run goes on from its checkpoint as if nothing had happened: same bits at the end. There is one file for each
question, written whole or not at all, read with `weights_only=True`. A file that cannot be read, or that other software
wrote, is ignored: the run starts over.

`runs/<work id>/` has `assignment.json` (the question), `metrics.jsonl` (a line of JSON for each step) and
`events.out.tfevents.*` (for TensorBoard). They stay when the answer is pushed; the newest `RUNS` are kept. The lines
are the record and the events are made of them: a run that goes on from a checkpoint cuts the lines behind it and writes
the events anew, so no step is there twice (docs/method.md §6.7).
"""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import torch
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from ratatouille.exchange.assignment import FineTune
from ratatouille.folders import write_whole

FORMAT = 2


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


RUNS = 100
"""Folders that stay. A run of 5,000 steps takes about 2 MB."""

LINES, EVENTS, QUESTION = "metrics.jsonl", "events", "assignment.json"
TAGS = {
    "loss": "training/loss",
    "learning_rate": "training/learning_rate",
    "images_per_second": "training/images_per_second",
    "validation_loss": "validation/loss",
    "score": "validation/score",
}
"""Where TensorBoard shows the values of a line."""

_log = logging.getLogger(__name__)


class Records:
    """The records of one run. Where they cannot be written, a line of log says so, and the run goes on without."""

    def __init__(self, folder: Path | None, assignment: FineTune) -> None:
        """Keep them in `<folder>/<work id>`; without a folder, keep none. A context: leaving it closes the files."""
        self._folder = folder and folder / assignment.digest
        self._question = assignment.to_json()
        self._lines: TextIO | None = None
        self._events: EventsWriter | None = None
        self._began = 0.0

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trying(self._close)

    def begin(self, step: int | None, seconds: float) -> None:
        """Start over (None), or go on after `step`; so many seconds were spent on the run so far."""
        self._began = time.time() - seconds
        if self._folder is not None:
            folder = self._folder
            self._trying(lambda: self._begin(folder, step))

    def write(self, step: int, seconds: float, values: Mapping[str, float | None]) -> None:
        """A line about `step`, after so many seconds; values that are None are left out, others rounded to 7 digits."""
        line = {"step": step, "seconds": round(seconds, 3)}
        line |= {name: float(f"{value:.7g}") for name, value in values.items() if value is not None}
        self._trying(lambda: self._write(line))

    def sync(self) -> None:
        """What was written so far is on the disk, and TensorBoard sees it (lines are in the file at once)."""
        self._trying(self._sync)

    def _begin(self, folder: Path, step: int | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _prune(folder)
        earlier = [] if step is None else _lines_until(folder / LINES, step)
        for path in folder.glob(f"{EVENTS}.*"):
            path.unlink()
        (folder / QUESTION).write_bytes(self._question + b"\n")
        self._lines = (folder / LINES).open("w", buffering=1, encoding="utf-8")  # buffers one line
        self._events = EventsWriter(str(folder / EVENTS))
        for line in earlier:
            self._write(line)

    def _write(self, line: dict[str, float]) -> None:
        if self._lines is None or self._events is None:
            return
        self._lines.write(json.dumps(line) + "\n")
        values = [Summary.Value(tag=tag, simple_value=line[name]) for name, tag in TAGS.items() if name in line]
        wall_time = self._began + line["seconds"]
        self._events.write_event(Event(step=int(line["step"]), wall_time=wall_time, summary=Summary(value=values)))

    def _sync(self) -> None:
        if self._lines is not None and self._events is not None:
            os.fsync(self._lines.fileno())
            self._events.flush()

    def _close(self) -> None:
        lines, events = self._lines, self._events
        self._lines = self._events = None
        try:
            if events is not None:
                events.close()
        finally:
            if lines is not None:
                lines.close()

    def _trying(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            _log.warning("no more records of this run: '%s' cannot be written (%s)", self._folder, error.strerror)
            with suppress(OSError):
                self._close()


def _lines_until(path: Path, step: int) -> list[dict[str, float]]:
    """The lines up to a step; a last one that was cut off, and whatever else is no line of ours, is left out."""
    kept = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        try:
            values = json.loads(line)
            if values["step"] <= step and values["seconds"] >= 0:
                kept.append(values)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return kept


def _prune(folder: Path) -> None:
    """Remove the oldest folders beside this one, so that `RUNS` are left with it."""
    others = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
    others.sort(key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    for path in others[RUNS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
