"""Publications a second from several processes, beside processes that only make the same files and syncs.

What one publication syncs is counted while it runs: `os.fsync` of files and folders, and the database's transactions,
each of which is one sync of its log. Bare processes make new files of the same size, sync them and their folder, and
append to one common file under a lock, as transactions of one database do.
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
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks.registry.weights import architecture, model
from ratatouille.exchange.signing import Signer
from registry.local import LocalRegistry

NUMBERS = 1000
"""Numbers of a small featurizer: syncs are what counts."""
LOG_BYTES = 8192
"""What a transaction of a publication appends to the database's log, about."""
SHARE = 0.5
"""Of the bare rate: the limit."""


def compared(places: Callable[[Path], None], processes: int, each: int) -> dict[str, Any]:
    """Both rates.

    Args:
        places: prepares the folder of a new registry (its registry.toml, if it has one).
        processes: how many publish at once.
        each: publications of each.
    """
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "registry").mkdir(mode=0o700)
        places(folder / "registry")
        registry = LocalRegistry(folder / "registry")
        registry.define_architecture(architecture(NUMBERS))
        syncs, transactions = _counted(registry, folder)
        registry.close()
        ours = _rate(_publish, folder, processes, each)
        bare = _rate(_bare, folder, processes, each, syncs, transactions)
    return {
        "processes": processes,
        "syncs": syncs,
        "transactions": transactions,
        "published_per_second": round(ours, 1),
        "bare_per_second": round(bare, 1),
        "share": round(ours / bare, 2),
        "limit": SHARE,
        "met": ours / bare >= SHARE,
    }


def _counted(registry: LocalRegistry, folder: Path) -> tuple[int, int]:
    """What the second publication of a process syncs."""
    signer = Signer.open(folder / "key")
    for seed in (-1, -2):
        with _counting(registry) as counts:
            registry.push(*model(signer, architecture(NUMBERS), seed + 10**9, folder))
    return counts["syncs"], counts["transactions"]


@contextmanager
def _counting(registry: LocalRegistry) -> Iterator[dict[str, int]]:
    counts, sync = {"syncs": 0, "transactions": 0}, os.fsync
    engine = registry.publisher.database._engine.engine

    def counted(descriptor: int) -> None:
        counts["syncs"] += 1
        sync(descriptor)

    def committed(connection: object) -> None:
        counts["transactions"] += 1

    os.fsync = counted  # type: ignore[assignment]
    event.listen(engine, "commit", committed)
    try:
        yield counts
    finally:
        os.fsync = sync
        event.remove(engine, "commit", committed)


def _rate(work: Callable[..., float], folder: Path, processes: int, each: int, *more: int) -> float:
    """Publications a second of all processes, from the first one's start to the last one's end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        ready = time.time() + 5.0  # interpreters start one after another
        running = [pool.submit(work, folder, number, each, ready, *more) for number in range(processes)]
        ended = max(one.result() for one in running)
    return processes * each / (ended - ready)


def _publish(folder: Path, number: int, each: int, ready: float) -> float:
    registry, signer = LocalRegistry(folder / "registry"), Signer.open(folder / f"key-{number}")
    mine = folder / f"files-{number}"
    mine.mkdir()
    network = architecture(NUMBERS)
    models = [model(signer, network, number * 10**6 + seed, mine) for seed in range(each)]
    time.sleep(max(0.0, ready - time.time()))
    for sealed, files in models:
        registry.push(sealed, files)
    ended = time.time()
    registry.close()
    return ended


def _bare(folder: Path, number: int, each: int, ready: float, syncs: int, transactions: int) -> float:
    mine, data = folder / f"bare-{number}", os.urandom(4 * NUMBERS + 100)
    mine.mkdir()
    descriptor = os.open(mine, os.O_RDONLY)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    time.sleep(max(0.0, ready - time.time()))
    for seed in range(each):
        file = os.open(mine / str(seed), os.O_WRONLY | os.O_CREAT)
        os.write(file, data)
        os.fsync(file)
        os.close(file)
        for _ in range(syncs - 1):
            os.fsync(descriptor)
        for _ in range(transactions):
            fcntl.flock(log, fcntl.LOCK_EX)
            os.write(log, bytes(LOG_BYTES))
            os.fsync(log)
            fcntl.flock(log, fcntl.LOCK_UN)
    return time.time()
