"""Averaging N models: ours, Flower's own aggregation, and a plain read of the same bytes.

`python -m benchmarks.averaging [--json] [--counts 8 20] [--size vit-b16|small] [--repeats 5] [--folder DIR]`

Each measurement is a process of its own that first reads the files once, so that they come from the page cache. The
variants take turns, so that other load on the machine weighs on all of them, and a ratio is one of medians. Ours
includes writing the result and its SHA-256; Flower's starts and ends in memory and does neither. That part is the same
for any number of models, so it is measured alone too, with the sync that a store does after it: the limit of ours is
one on its ratio to the plain read and the plain output together. Each turn gives the files to ours in another order,
and the digests must agree.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import random
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measured, available_memory, in_fresh_process, measure
from benchmarks.output import REFUSED, told
from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import header, in_order, open_part, size
from ratatouille.weights.combine import Term, combine_files

if TYPE_CHECKING:
    from flwr.app import ArrayRecord, RecordDict

MEGABYTE = 10**6
LARGEST_RATIO = 3.0
"""Ours may take three times as long as a plain read of its inputs and a plain write of its output."""
PIECE = 4 * 2**20
"""Bytes that the plain output hashes and writes at once."""
LARGEST_GROWTH = 64 * MEGABYTE
"""Anonymous memory, for any number of models of any size."""


@dataclass(frozen=True)
class Inputs:
    """The files to average."""

    folder: Path
    tensors: tuple[Tensor, ...]
    files: tuple[tuple[str, Path], ...]
    """Digests, and where the files with them are."""


def vision_transformer(width: int, depth: int, patch: int, image: int, classes: int) -> tuple[Tensor, ...]:
    """The tensors of a vision transformer, with timm's names and shapes."""
    linear = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    linear |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, (image // patch) ** 2 + 1, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (classes, width),
        "head.bias": (classes,),
    }
    for block in range(depth):
        for norm in ("norm1", "norm2"):
            shapes |= {f"blocks.{block}.{norm}.weight": (width,), f"blocks.{block}.{norm}.bias": (width,)}
        for layer, shape in linear.items():
            shapes |= {f"blocks.{block}.{layer}.weight": shape, f"blocks.{block}.{layer}.bias": shape[:1]}
    return tuple(Tensor(name=name, shape=shape) for name, shape in shapes.items())


SIZES = {
    "vit-b16": vision_transformer(width=768, depth=12, patch=16, image=224, classes=1000),
    "small": vision_transformer(width=32, depth=2, patch=8, image=32, classes=10),
}


def make_models(folder: Path, tensors: tuple[Tensor, ...], count: int) -> Inputs:
    """Write random canonical files."""
    files = []
    for seed in range(count):
        generator, sha, path = np.random.default_rng(seed), hashlib.sha256(), folder / f"{seed}.safetensors"
        with path.open("wb") as file:
            weights = (generator.standard_normal(tensor.elements, "f4").tobytes() for tensor in in_order(tensors))
            for data in chain([header(tensors)], weights):
                sha.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or the disk is still busy with it during the measurements
        files.append((sha.hexdigest(), path))
    return Inputs(folder, tensors, tuple(files))


def read_all(inputs: Inputs) -> None:
    """Touch each byte once, through one buffer of 1 MiB."""
    buffer = bytearray(2**20)
    for _, path in inputs.files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def plain_read(inputs: Inputs) -> Measured[None]:
    """The limit of what any averaging can do."""
    read_all(inputs)
    return measure(lambda: read_all(inputs))


def ours(inputs: Inputs) -> Measured[str]:
    """The weighted mean into a file; its value is the digest."""
    read_all(inputs)
    with tempfile.TemporaryFile(dir=inputs.folder) as output:
        terms = [Term(digest, path) for digest, path in inputs.files]
        return measure(lambda: combine_files(terms, inputs.tensors, output))


def plain_output(inputs: Inputs) -> tuple[Measured[None], Measured[None]]:
    """Hashing and writing one model, which costs the same for any number of inputs; and syncing it to the disk."""
    data = memoryview(inputs.files[0][1].read_bytes())
    with tempfile.TemporaryFile(dir=inputs.folder) as output, ThreadPoolExecutor(1) as hasher:

        def write() -> None:
            sha = hashlib.sha256()
            for start in range(0, len(data), PIECE):
                hashed = hasher.submit(sha.update, data[start : start + PIECE])
                output.write(data[start : start + PIECE])
                hashed.result()

        return measure(write), measure(lambda: os.fsync(output.fileno()))


def flower(inputs: Inputs) -> tuple[Measured[None], Measured[None]]:
    """Building Flower's records out of the files, and its aggregation of them; the second growth is of both."""
    import flwr.serverapp.strategy.strategy_utils  # noqa: F401  not a part of what is measured

    read_all(inputs)
    records: list[RecordDict] = []
    building = measure(lambda: records.extend(_records(inputs)))
    aggregation = measure(lambda: _aggregate(records))
    total = None if building.growth is None or aggregation.growth is None else building.growth + aggregation.growth
    return Measured(None, building.seconds, building.growth), Measured(None, aggregation.seconds, total)


def flower_differences(inputs: Inputs) -> int:
    """How many elements of Flower's average differ when the replies come in the reversed order."""
    records = _records(inputs)
    first, second = _aggregate(records), _aggregate(records[::-1])
    return sum(int(np.count_nonzero(first[name].numpy() != second[name].numpy())) for name in first)


def _records(inputs: Inputs) -> list[RecordDict]:
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict

    records = []
    for _, path in inputs.files:
        arrays = {name: Array(array) for name, array in open_part(path, inputs.tensors).items()}
        records.append(RecordDict({"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"examples": 1.0})}))
    return records


def _aggregate(records: list[RecordDict]) -> ArrayRecord:
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

    return aggregate_arrayrecords(records, "examples")


def compare(inputs: Inputs, repeats: int) -> dict[str, Any]:
    """All variants on the same files, by turns."""
    length = size(inputs.tensors)
    needed, available = int(1.2 * length * len(inputs.files)) + 4 * length, available_memory()
    room = available is None or needed < available
    reads, outputs, syncs, means, builds, aggregations = [], [], [], [], [], []
    for turn in range(repeats):
        reads.append(in_fresh_process(plain_read, inputs))
        written, synced = in_fresh_process(plain_output, inputs)
        outputs.append(written)
        syncs.append(synced)
        files = list(inputs.files)
        random.Random(turn).shuffle(files)  # noqa: S311  the order of arrival
        means.append(in_fresh_process(ours, Inputs(inputs.folder, inputs.tensors, tuple(files))))
        if room:
            building, aggregation = in_fresh_process(flower, inputs)
            builds.append(building)
            aggregations.append(aggregation)
    skipped = f"needs {needed / 1e9:.1f} GB of memory, {(available or 0) / 1e9:.1f} GB are free"
    return {
        "models": len(inputs.files),
        "read": _summary(reads, reads),
        "output": _summary(outputs, reads),
        "sync": _summary(syncs, reads),
        "ours": _summary(means, reads) | {"ratio_with_output": _with_output(means, reads, outputs)},
        "flower_records": _summary(builds, reads) if room else {"skipped": skipped},
        "flower": _summary(aggregations, reads) if room else {"skipped": skipped},
        "orders": repeats,
        "identical_bits": len({mean.value for mean in means}) == 1,
        "digest": means[0].value,
    }


def _with_output(
    means: Sequence[Measured[str]], reads: Sequence[Measured[None]], outputs: Sequence[Measured[None]]
) -> float:
    """Ours, as a multiple of the least that any averaging into a file does."""
    least = median(read.seconds for read in reads) + median(output.seconds for output in outputs)
    return round(median(mean.seconds for mean in means) / least, 2)


def _summary(runs: Sequence[Measured[Any]], reads: Sequence[Measured[None]]) -> dict[str, Any]:
    growths = [run.growth for run in runs if run.growth is not None]
    seconds, plain = median(run.seconds for run in runs), median(read.seconds for read in reads)
    return {
        "seconds": round(seconds, 4),
        "ratio": round(seconds / plain, 2),
        "growth_megabytes": round(max(growths) / MEGABYTE, 1) if growths else None,
    }


def run(name: str, counts: Sequence[int], repeats: int, folder: Path | None) -> dict[str, Any]:
    """The whole benchmark.

    Raises:
        Refusal: too little room on the disk.
    """
    tensors, largest = SIZES[name], max(counts)
    with tempfile.TemporaryDirectory(prefix="averaging-", dir=folder) as temporary:
        needed, free = (largest + 2) * size(tensors), shutil.disk_usage(temporary).free
        if needed > free:
            raise Refusal(
                f"{largest} models need {needed / 1e9:.1f} GB and the temporary folder has {free / 1e9:.1f} GB; "
                "give another one with --folder, or fewer models with --counts"
            )
        models = make_models(Path(temporary), tensors, largest)
        subsets = {count: Inputs(models.folder, tensors, models.files[:count]) for count in sorted(counts)}
        results = [compare(subset, repeats) for subset in subsets.values()]
        fewest = min(counts)
        differing = in_fresh_process(flower_differences, subsets[fewest]) if "seconds" in results[0]["flower"] else None
    met = all(
        result["ours"]["ratio_with_output"] <= LARGEST_RATIO
        and (result["ours"]["growth_megabytes"] or 0) * MEGABYTE <= LARGEST_GROWTH
        for result in results
    )
    return {
        "size": name,
        "megabytes": round(size(tensors) / MEGABYTE, 2),
        "tensors": len(tensors),
        "elements": sum(tensor.elements for tensor in tensors),
        "turns": repeats,
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "flwr": version("flwr")},
        "limits": {"ratio": LARGEST_RATIO, "growth_megabytes": LARGEST_GROWTH / MEGABYTE},
        "results": results,
        "flower_elements_that_depend_on_order": {"models": fewest, "elements": differing},
        "identical_bits": all(result["identical_bits"] for result in results),
        "limits_met": met if name != "small" else None,  # so small, threads and files cost more than bytes
    }


def show(report: dict[str, Any], console: Console) -> None:
    """The report as a table."""
    table = Table(
        title=f"Averaging models of {report['megabytes']} MB ({report['tensors']} tensors), {report['cores']} cores, "
        f"medians of {report['turns']} turns"
    )
    for column in ("models", "variant"):
        table.add_column(column)
    for column in ("seconds", "× plain read", "× read and output", "limit", "memory, MB", "limit"):
        table.add_column(column, justify="right")
    titles = {"read": "plain read", "output": "plain output: hash and write", "sync": "sync of the output"}
    titles |= {"ours": "ours, into a file", "flower_records": "Flower: build records"}
    limits = report["limits"]
    for result in report["results"]:
        for key, title in (titles | {"flower": "Flower: aggregate"}).items():
            row = result[key]
            if "skipped" in row:
                table.add_row(str(result["models"]), title, f"skipped: {row['skipped']}")
                continue
            ratio, growth = (f"{limits['ratio']:g}", f"{limits['growth_megabytes']:g}") if key == "ours" else ("", "")
            memory = "unknown" if row["growth_megabytes"] is None else f"{row['growth_megabytes']:,.1f}"
            both = f"{row['ratio_with_output']:.2f}" if key == "ours" else ""
            cells = (f"{row['seconds']:.3f}", f"{row['ratio']:.2f}", both, ratio, memory, growth)
            table.add_row(str(result["models"]), title, *cells)
        table.add_section()
    console.print(table)
    same = "identical bits" if report["identical_bits"] else "DIFFERENT BITS"
    console.print(f"Ours, {report['turns']} orders of arrival: {same}.")
    differs = report["flower_elements_that_depend_on_order"]
    if differs["elements"] is not None:
        console.print(
            f"Flower, {differs['models']} models in two orders: {differs['elements']:,} of {report['elements']:,} "
            "elements differ."
        )
    verdict = {True: "The limits are met.", False: "A LIMIT IS MISSED.", None: "At this size the limits say nothing."}
    console.print(verdict[report["limits_met"]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code: 1 for a missed limit or different bits, 2 for a refusal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.averaging", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--counts", type=int, nargs="+", default=[8, 20], help="numbers of models")
    parser.add_argument("--size", choices=sorted(SIZES), default="vit-b16")
    parser.add_argument("--repeats", type=int, default=5, help="turns, at least 3")
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    options = parser.parse_args(arguments)
    if min(options.counts) < 2 or options.repeats < 3:
        parser.error("at least 2 models and 3 turns")
    report = told(lambda: run(options.size, options.counts, options.repeats, options.folder), show, options.json)
    if report is None:
        return REFUSED
    return 0 if report["identical_bits"] and report["limits_met"] is not False else 1


if __name__ == "__main__":
    raise SystemExit(main())
