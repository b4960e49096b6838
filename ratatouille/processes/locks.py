"""Locks between processes: a file that one process holds. A lock ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def lock(path: Path, wait: bool = False, mode: int = 0o600) -> int:
    """Lock a file, which is made if need be, with the permissions of `mode`.

    Returns:
        A descriptor of the file, to read and to write; closing it ends the lock.

    Raises:
        BlockingIOError: when another one holds the lock; with `wait` it is waited for.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
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
