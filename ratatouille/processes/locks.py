"""Locks between processes: a file that one process holds. A lock ends with its process, however that ends.

`worker_slot` limits how many processes work at once. Nodes that share one machine's processors train a few at a time:
more trainings at once than processors make all of them slower, since their caches compete.

Windows has no such locks. Only readers run there, and they take none. So two commands that fetch the same weights at
once may spoil each other's transfer, which the digest shows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.platforms import POSIX

if POSIX:
    import fcntl

_SLOT_PAUSE = 0.1


def lock(path: Path, wait: bool = False, mode: int = 0o600) -> int:
    """Lock a file, which is made if need be, with the permissions of `mode`.

    Returns:
        A descriptor of the file, to read and to write; closing it ends the lock.

    Raises:
        BlockingIOError: when another one holds the lock; with `wait` it is waited for.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    if not POSIX:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[int]:
    """Hold the lock of a file; arguments, value and errors are those of `lock`."""
    descriptor = lock(path, wait)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def only_one(path: Path, sentence: str) -> Iterator[int]:
    """Hold the lock of a file, as the only process that may; the value is that of `lock`.

    Raises:
        Refusal: with the sentence, when another process holds it.
    """
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(locked(path))
        except BlockingIOError:
            raise Refusal(sentence) from None
        yield descriptor


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file; False where there is no such file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def worker_slot(folder: Path | None, at_once: int) -> Iterator[None]:
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
        time.sleep(_SLOT_PAUSE)
