"""A large model through the service: push and fetch beside hashing the same bytes and beside bare gRPC; memory too."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.measure import in_fresh_process, measure
from benchmarks.registry import bare
from benchmarks.registry.weights import architecture, model
from ratatouille.exchange.signing import Sealed, Signer
from registry.blobs.disk import hash_file
from registry.opening import open_registry

SHARE = 0.5
"""Of the speed of hashing: the limit."""
MEGABYTES = 100
"""Memory of either side: the limit."""
SAMPLE_SECONDS = 0.01
SCRATCH = 3
"""Times the length of the model: page cache that is used and given back before a call is timed, as much as it needs."""


def compared(numbers: int, turns: int) -> dict[str, Any]:
    """Medians of some turns, each with a model of its own; pushes and fetches are as people's, with empty caches."""
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as root, service(Path(root)) as (url, process), _peer(Path(root)) as port:
        folder = Path(root)
        signer, network = Signer.open(folder / "key"), architecture(numbers)
        registry = open_registry(url, cache=folder / "cache")
        registry.definitions.define_architecture(network)
        registry.close()
        memory = _memory(folder, url, process, *model(signer, network, turns, folder))
        for turn in range(turns):
            sealed, files = model(signer, network, turn, folder)
            ((digest, path),) = files.items()
            cache, size = folder / f"cache-{turn}", path.stat().st_size
            seconds["hash"].append(_seconds(size, hash_file, path))
            seconds["push"].append(in_fresh_process(timed, url, cache, size, "push", sealed, files))
            seconds["fetch"].append(in_fresh_process(timed, url, cache, size, "fetch", digest))
            seconds["bare push"].append(in_fresh_process(_seconds, size, bare.push, port, path))
            seconds["bare fetch"].append(in_fresh_process(_seconds, size, bare.fetch, port, path, folder / "fetched"))
    took = {name: median(each) for name, each in seconds.items()}
    rows = [_row(name, size, took["hash"], took[name], took[f"bare {name}"]) for name in ("push", "fetch")]
    return {
        "megabytes": round(size / 1e6),
        "hash_seconds": round(took["hash"], 3),
        "transfers": rows,
        **memory,
        "limit_megabytes": MEGABYTES,
        "met": all(row["met"] for row in rows) and max(memory.values()) <= MEGABYTES,
    }


def _row(name: str, size: int, hashing: float, took: float, bare: float) -> dict[str, Any]:
    share = hashing / took
    return {
        "transfer": name,
        "seconds": round(took, 3),
        "megabytes_per_second": round(size / took / 1e6),
        "bare_grpc_seconds": round(bare, 3),
        "share": round(share, 2),
        "limit": SHARE,
        "met": share >= SHARE,
    }


def _memory(folder: Path, url: str, process: psutil.Process, sealed: Sealed, files: dict[str, Path]) -> dict[str, int]:
    """How far both sides grow, in megabytes; apart from the timed turns, since looking costs time."""
    grown = {"client_megabytes": 0, "service_megabytes": 0}
    (digest,) = files
    for call, arguments in (("push", (sealed, files)), ("fetch", (digest,))):
        with _watched(process) as peak:
            growth = in_fresh_process(_grown, url, folder / "cache-memory", call, *arguments)
        grown["client_megabytes"] = max(grown["client_megabytes"], round(growth / 1e6))
        grown["service_megabytes"] = max(grown["service_megabytes"], round(peak[0] / 1e6))
    return grown


def _seconds(size: int, call: Callable[..., Any], *arguments: Any) -> float:
    with tempfile.TemporaryFile() as scratch:  # a virtual machine may have to ask its host for memory: not now
        for _ in range(0, SCRATCH * size, 2**20):
            scratch.write(bytes(2**20))
    os.sync()  # a disk that still writes what came before is not what is measured either
    begun = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begun


def timed(url: str, cache: Path, size: int, call: str, *arguments: Any) -> float:
    """Seconds of a push or a fetch; the connection is open before."""
    registry = open_registry(url, cache=cache)
    registry.info()
    return _seconds(size, getattr(registry.weights, call), *arguments)


def _grown(url: str, cache: Path, call: str, *arguments: Any) -> int:
    registry = open_registry(url, cache=cache)
    registry.info()
    return measure(lambda: getattr(registry.weights, call)(*arguments)).growth or 0


@contextmanager
def _peer(folder: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.registry.bare", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A registry's service in a process of its own: its address, and the process."""
    command = [sys.executable, "-m", "registry.server", "--folder", str(folder / "registry"), "--port", "0"]
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
