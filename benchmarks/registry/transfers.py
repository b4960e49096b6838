"""A large model through the service: push and fetch beside hashing the same bytes, and the memory of both sides."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.measure import in_fresh_process, measure
from benchmarks.registry.weights import architecture, model
from ratatouille.exchange.signing import Signer
from registry.blobs.disk import hash_file
from registry.opening import open_registry

SHARE = 0.5
"""Of the speed of hashing: the limit."""
MEGABYTES = 100
"""Memory of either side: the limit."""
SAMPLE_SECONDS = 0.01


def compared(numbers: int, turns: int) -> dict[str, Any]:
    """Medians of some turns, each with a model of its own; pushes and fetches are as people's, with empty caches."""
    with tempfile.TemporaryDirectory() as root, _service(Path(root)) as (url, process):
        folder = Path(root)
        hashing: list[float] = []
        pushing: list[float] = []
        fetching: list[float] = []
        grown, service = [0], 0
        network = architecture(numbers)
        signer = Signer.open(folder / "key")
        registry = open_registry(url, cache=folder / "cache")
        registry.define_architecture(network)
        registry.close()
        for turn in range(turns):
            sealed, files = model(signer, network, turn, folder)
            ((digest, path),) = files.items()
            begun = time.perf_counter()
            hash_file(path)
            hashing.append(time.perf_counter() - begun)
            for call, seconds in ((_push, pushing), (_fetch, fetching)):
                with _watched(process) as peak:
                    took, growth = in_fresh_process(call, url, folder / f"{call.__name__}-{turn}", sealed, digest, path)
                service = max(service, peak[0])
                seconds.append(took)
                grown.append(growth or 0)
            size = path.stat().st_size
    rows = [_row(name, size, median(hashing), median(took)) for name, took in (("push", pushing), ("fetch", fetching))]
    memory = {"client_megabytes": round(max(grown) / 1e6), "service_megabytes": round(service / 1e6)}
    return {
        "megabytes": round(size / 1e6),
        "hash_seconds": round(median(hashing), 3),
        "transfers": rows,
        **memory,
        "limit_megabytes": MEGABYTES,
        "met": all(row["met"] for row in rows) and max(memory.values()) <= MEGABYTES,
    }


def _row(name: str, size: int, hashing: float, took: float) -> dict[str, Any]:
    share = hashing / took
    speed = round(size / took / 1e6)
    return {
        "transfer": name,
        "seconds": round(took, 3),
        "megabytes_per_second": speed,
        "share": round(share, 2),
        "limit": SHARE,
        "met": share >= SHARE,
    }


def _push(url: str, cache: Path, sealed: Any, digest: str, path: Path) -> tuple[float, int | None]:
    registry = open_registry(url, cache=cache)
    registry.info()
    taken = measure(lambda: registry.push(sealed, {digest: path}))
    return taken.seconds, taken.growth


def _fetch(url: str, cache: Path, sealed: Any, digest: str, path: Path) -> tuple[float, int | None]:
    registry = open_registry(url, cache=cache)
    registry.info()
    taken = measure(lambda: registry.fetch(digest))
    return taken.seconds, taken.growth


@contextmanager
def _service(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "registry.service", "--folder", str(folder / "registry"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith("grpc://")), psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def _watched(process: psutil.Process) -> Iterator[list[int]]:
    """How far the anonymous memory of the service grows meanwhile."""
    before, peak, over = _anonymous(process), [0], threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], _anonymous(process) - before)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _anonymous(process: psutil.Process) -> int:
    found = process.memory_info()
    return int(found.rss - found.shared)
