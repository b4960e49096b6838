"""Checks of a contributor's machine: whether the node's data can be read, its disk, its memory, and its device."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ratatouille.checks import StepCheck, bad, good, refused, unknown
from ratatouille.errors import RatatouilleError
from ratatouille.tasks.data import LocalData, rows_of
from ratatouille.tasks.node import NodeSettings, open_in_place
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.task import Task
from ratatouille.training.preflight import DeviceWork
from ratatouille.weights.canonical import size
from ratatouille.wording import enumerated, number_of

MACHINE = ("data", "disk", "memory", "device")
"""Checks of the machine, in their order."""
_COPIES = 5
"""Copies of a network that a training keeps: its start, its weights, two of the optimiser, and the best so far."""
_LEAST_DISK, _LEAST_MEMORY = 200 * 10**6, 700 * 10**6
"""Bytes that a node needs whatever its work is: logs and hashes, and a process with torch."""
_MOST_DOMAINS = 4


class _OutOfTime(Exception):
    """Images are still being read when the time is over."""


def check_data(settings: NodeSettings, tasks: Mapping[str, Task], until: float) -> tuple[StepCheck, list[LocalData]]:
    """Read the data as the node will; what was read is remembered, so joining does not read it again.

    Args:
        settings: the node's.
        tasks: the definitions of its tasks, by name.
        until: when there is no time left, by the monotonic clock.

    Returns:
        The check, and the data; none where it was not opened.
    """
    seen = (0, 0)

    def progress(done: int, total: int) -> None:
        nonlocal seen
        seen = done, total
        if time.monotonic() > until:
            raise _OutOfTime

    try:
        opened = list(open_in_place(settings, tasks.__getitem__, progress).values())
    except RatatouilleError as error:
        return refused("data", error), []
    except _OutOfTime:
        done, total = seen
        cause = f"there was time to read {done} of {total} images, and these can be read"
        return unknown("data", cause, "`ratatouille check node.toml` reads all"), []
    said = [
        f"{number_of(len(one), 'image')} of {one.task.name} ({enumerated(one.holding.domains, _MOST_DOMAINS)})"
        for one in opened
    ]
    found = f"read: {'; '.join(said)}"
    if notes := sum(len(one.notes) for one in opened):
        advice = "`ratatouille check node.toml` shows them"
        return StepCheck(
            step="data", state="warning", cause=f"{found}; {number_of(notes, 'note')}", advice=advice
        ), opened
    return good("data", found), opened


def list_data(settings: NodeSettings) -> StepCheck:
    """List the data whose task is not known, so that it cannot be read as the node would."""
    listed = 0
    for table in settings.data:
        try:
            rows, _ = rows_of(DataSettings(**{name: getattr(table, name) for name in DataSettings.model_fields}))
        except RatatouilleError as error:
            return refused("data", error)
        listed += len(rows)
    return unknown("data", f"{number_of(listed, 'image')} listed; they are read once the task is known")


def needed_bytes(work: Sequence[DeviceWork], image_cache: bool) -> tuple[int, int]:
    """About how many bytes of disk and of memory the largest of these kinds of work needs."""
    networks = [size(one.architecture.featurizer) + size(one.architecture.head(one.classes)) for one in work]
    images = [one.images * 3 * one.image_size**2 for one in work]
    kept = [_COPIES * network + image_cache * one for network, one in zip(networks, images, strict=True)]
    held = [_COPIES * network + (not image_cache) * one for network, one in zip(networks, images, strict=True)]
    return _LEAST_DISK + max(kept, default=0), _LEAST_MEMORY + max(held, default=0)


def check_disk(folder: Path, needed: int) -> StepCheck:
    """Whether the node can write into its folder, and has room for its work.

    Args:
        folder: the node's; it need not be there yet.
        needed: bytes for one assignment.
    """
    place = next(one for one in (folder, *folder.parents) if one.is_dir())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
        free = shutil.disk_usage(place).free
    except OSError as error:
        cause = f"'{place}' cannot be written: {error.strerror}"
        return bad("disk", cause, "mend its rights, free some space, or name another `folder` in node.toml")
    if free < needed:
        cause = f"{_bytes(free)} are free at '{place}', and one assignment takes about {_bytes(needed)}"
        return bad("disk", cause, "free some space, or name another `folder` in node.toml")
    return good("disk", f"{_bytes(free)} are free at '{place}'; one assignment takes about {_bytes(needed)}")


def check_memory(needed: int, free: int | None, measured: bool, workers: int = 1) -> StepCheck:
    """Whether the memory suffices.

    Args:
        needed: bytes for one assignment of each worker.
        free: bytes that are free; None where the system does not say.
        measured: whether `needed` was measured on this machine.
        workers: how many workers the node has.
    """
    how = "a step of the work took" if measured else "one assignment takes about"
    if workers > 1:
        how = f"{workers} workers take about"
    if free is None:
        return unknown("memory", f"this system does not say what is free; {how} {_bytes(needed)}")
    if free < needed:
        cause = f"{_bytes(free)} are free, and {how} {_bytes(needed)}"
        return bad("memory", cause, "end other programs, or let the node work at other `hours`")
    return good("memory", f"{_bytes(free)} are free; {how} {_bytes(needed)}")


def free_memory() -> int | None:
    """Bytes of memory that programs may still take, of the machine and of the control group; None if it is not said."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
        group = Path("/sys/fs/cgroup")
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # another system, or no limit
        pass
    return min(found, default=None)


def _bytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 10**8 else f"{number / 1e6:.0f} MB"
