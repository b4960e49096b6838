"""Publications a second from several processes, beside processes that only make the same files and syncs.

What one publication syncs is counted while it runs: `os.fsync` of files and folders, and the database's transactions,
each of which is one sync of its log. Its statements are counted too.

Bare processes make new files of the same size, sync them and their folder, and
append to one common file under a lock, as transactions of one database do.

Where a sync costs nothing (a virtual machine's disk that only remembers), this compares the work of a publication with
none. So both are also run with some milliseconds added to each sync, as a disk takes that keeps its word.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from benchmarks.registry.weights import architecture, model
from ratatouille.exchange.signing import Signer
from registry.services.local import LocalRegistry

NUMBERS = 1000
"""Numbers of a small featurizer: syncs are what counts."""
LOG_BYTES = 8192
"""What a transaction of a publication appends to the database's log, about."""
SHARE = 0.5
"""Of the bare rate: the limit."""


@dataclass(frozen=True)
class Publishers:
    """Processes that publish at once; starting them takes longer than what they are timed with."""

    pool: ProcessPoolExecutor
    count: int


@contextmanager
def publishers(count: int) -> Iterator[Publishers]:
    """So many processes, for any number of runs; a run has one task for each of them."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _meet, (context.Barrier(count),)) as pool:
        yield Publishers(pool, count)


def compared(publishers: Publishers, places: Callable[[Path], None], each: int, added: float = 0.0) -> dict[str, Any]:
    """Both rates.

    Args:
        publishers: the processes that publish at once.
        places: prepares the folder of a new registry (its registry.toml, if it has one).
        each: publications of each process.
        added: seconds that each sync takes longer, on both sides.
    """
    seeds = int(1e6 * added) * 10**9  # a server may have the weights of the run before
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "registry").mkdir(mode=0o700)
        places(folder / "registry")
        registry = LocalRegistry(folder / "registry")
        registry.definitions.define_architecture(architecture(NUMBERS))
        counts = _counted(registry, folder, seeds)
        registry.close()
        ours = _rate(_publish, publishers, folder, each, added, seeds)
        bare = _rate(_bare, publishers, folder, each, added, counts["syncs"], counts["transactions"])
    return {
        "processes": publishers.count,
        "sync_milliseconds_added": round(1000 * added, 1),
        **counts,
        "published_per_second": round(ours, 1),
        "bare_per_second": round(bare, 1),
        "share": round(ours / bare, 2),
        "limit": SHARE,
        "met": ours / bare >= SHARE,
    }


def _counted(registry: LocalRegistry, folder: Path, seeds: int) -> dict[str, int]:
    """What the second publication of a process syncs and asks of the database."""
    signer = Signer.open(folder / "key")
    for seed in (10**8, 10**8 + 1):
        with _counting(registry) as counts:
            registry.weights.push(*model(signer, architecture(NUMBERS), seeds + seed, folder))
    return counts


@contextmanager
def _counting(registry: LocalRegistry) -> Iterator[dict[str, int]]:
    counts = {"syncs": 0, "transactions": 0, "statements": 0}
    engine = registry.publisher.database._engine.engine

    def count(what: str, *_: object) -> None:
        counts[what] += 1

    statement = partial(count, "statements")
    event.listen(engine, "after_cursor_execute", statement)
    try:
        with _syncing(registry, partial(count, "syncs"), partial(count, "transactions")):
            yield counts
    finally:
        event.remove(engine, "after_cursor_execute", statement)


@contextmanager
def _syncing(registry: LocalRegistry, synced: Callable[[], None], committing: Callable[[], None]) -> Iterator[None]:
    """Call one function before each sync of a file or folder, the other before each commit, which holds the lock."""
    sync, engine = os.fsync, registry.publisher.database._engine.engine

    def before_sync(descriptor: int) -> None:
        synced()
        sync(descriptor)

    def before_commit(connection: object) -> None:
        committing()

    event.listen(engine, "commit", before_commit)
    try:
        with patch.object(os, "fsync", before_sync):
            yield
    finally:
        event.remove(engine, "commit", before_commit)


def _rate(
    work: Callable[..., tuple[float, float]], publishers: Publishers, folder: Path, each: int, added: float, *more: int
) -> float:
    """Publications a second of all processes, which begin together, until the last one ends."""
    numbers = range(publishers.count)
    running = [publishers.pool.submit(work, folder, number, each, added, *more) for number in numbers]
    times = [one.result() for one in running]
    return publishers.count * each / (max(ended for _, ended in times) - min(begun for begun, _ in times))


def _meet(barrier: Barrier) -> None:
    """Called in each process as it starts: where it waits for the others when it is ready."""
    global _others
    _others = barrier


_others: Barrier


def _publish(folder: Path, number: int, each: int, added: float, seeds: int) -> tuple[float, float]:
    registry, signer = LocalRegistry(folder / "registry"), Signer.open(folder / f"key-{number}")
    mine = folder / f"files-{number}"
    mine.mkdir()
    network = architecture(NUMBERS)
    models = [model(signer, network, seeds + number * 10**6 + seed, mine) for seed in range(each)]
    _others.wait()
    begun = time.time()
    longer = partial(time.sleep, added) if added else _at_once
    with _syncing(registry, longer, longer):
        for sealed, files in models:
            registry.weights.push(sealed, files)
    ended = time.time()
    registry.close()
    return begun, ended


def _at_once() -> None:
    pass


def _bare(folder: Path, number: int, each: int, added: float, syncs: int, transactions: int) -> tuple[float, float]:
    mine, data = folder / f"bare-{number}", os.urandom(4 * NUMBERS + 100)
    mine.mkdir()
    descriptor = os.open(mine, os.O_RDONLY)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def sync(descriptor: int) -> None:
        if added:
            time.sleep(added)
        os.fsync(descriptor)

    _others.wait()
    begun = time.time()
    for seed in range(each):
        file = os.open(mine / str(seed), os.O_WRONLY | os.O_CREAT)
        os.write(file, data)
        sync(file)
        os.close(file)
        for _ in range(syncs - 1):
            sync(descriptor)
        for _ in range(transactions):
            fcntl.flock(log, fcntl.LOCK_EX)
            os.write(log, bytes(LOG_BYTES))
            sync(log)
            fcntl.flock(log, fcntl.LOCK_UN)
    return begun, time.time()
