"""Training speed: our loop, a bare loop of timm and PyTorch, and loaders with a worker for each domain.

`python -m benchmarks.training [--json] [--data emoji|shapes] [--image-size N] [--batch N] [--steps N] [--turns N]
[--device auto|cpu|cuda] [--folder DIR]`

The bare loop has the same network, optimiser, numerics, images and augmentation, and nothing else: no thread, no
checks, no records. Without images it has one batch that lies ready on the device, which is what no loop can be faster
than. These and ours take turns at every step, so that other load on the machine weighs on all, and medians over steps
are compared. The loaders are the reference's: PIL and torchvision on one image at a time, an infinite sampler and a
worker for each domain, in front of the bare loop. Their workers go on while others compute, so they have turns of many
steps, of which the mean step counts. Processor time is that of all threads of this process: it says how much work a
step is, however busy the machine; that of the loaders' workers is not in it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
from torch.utils.data import Sampler as TorchSampler
from torchvision import transforms

from benchmarks.inputs import SIZES, Inputs, prepared_inputs
from benchmarks.output import REFUSED, told
from ratatouille.exchange.assignment import Augmentation, Keep, KeepBest, KeepMean, KeepValley
from ratatouille.training import numerics
from ratatouille.training.augment import Transform
from ratatouille.training.batches import Sampler, stream, training_examples
from ratatouille.training.fine_tune import FineTuning
from ratatouille.training.network import build
from ratatouille.training.run_files import Records

SMALLEST_RATIO = 0.98
"""Of the bare loop's images per second."""
WARMING = 3
"""Steps at the beginning of a turn that are not counted."""

KEEPS: dict[str, Keep] = {
    "the best step": KeepBest(),
    "the mean": KeepMean(start=1),
    "a valley's mean": KeepValley(),
}
"""Rows of `ratatouille.training.keeps` that are measured; the first must meet the limit."""

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TrainingCase:
    """What the variants share: `steps` is how many a turn counts, `batch` is of one domain."""

    inputs: Inputs
    device: torch.device
    batch: int
    steps: int
    folder: Path

    @property
    def images(self) -> int:
        """Images of a step."""
        return self.batch * len(self.inputs.domains)

    def examples(self) -> list[NDArray[Any]]:
        """The training split of each domain."""
        return training_examples(self.inputs.data, self.inputs.domains, 0)


Step = Callable[[], None]


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and those of the processor in all threads of this process."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> Spent:
        """The present times."""
        return cls(time.perf_counter(), time.process_time())

    def until(self, later: Spent) -> Spent:
        """From this time to a later one."""
        return Spent(later.clock - self.clock, later.processor - self.processor)


def bare(case: TrainingCase, batches: Iterator[Batch], automatic: bool = False) -> Step:
    """A loop as a person would write it, step by step; `automatic` mixes bfloat16 in."""
    architecture = case.inputs.foundation.architecture
    classes = len(case.inputs.data.task.classes)
    arguments: dict[str, Any] = dict(architecture.arguments)
    network = timm.create_model(architecture.name, num_classes=classes, **arguments)
    network.to(case.device).to(memory_format=torch.channels_last).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        images, labels = next(batches)
        with torch.autocast(case.device.type, torch.bfloat16, enabled=automatic):
            loss = functional.cross_entropy(network(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()

    return step


def ready(case: TrainingCase) -> Iterator[Batch]:
    """One batch, again and again."""
    data, transform = case.inputs.data, Transform(case.inputs.foundation.architecture, case.device)
    each = np.concatenate([np.resize(indices, case.batch) for indices in case.examples()])
    pixels = data.images(case.inputs.size)[each]
    images = transform.random(pixels, Augmentation(), torch.Generator().manual_seed(0))
    return repeat((images, torch.from_numpy(data.labels[each]).to(case.device)))


def made(case: TrainingCase) -> Iterator[Batch]:
    """Batches as ours are, each made when it is asked for."""
    data, transform = case.inputs.data, Transform(case.inputs.foundation.architecture, case.device)
    sampler, generator = Sampler(case.examples(), case.batch, stream("sampler", 0)), stream("augmentation", 0)
    pixels, settings = data.images(case.inputs.size), Augmentation()
    while True:
        drawn = sampler.draw()
        images = transform.random(pixels[drawn], settings, generator)
        yield images, torch.from_numpy(data.labels[drawn]).to(case.device)


def beside(case: TrainingCase, keep: Keep, peers: Sequence[Step]) -> list[list[Spent]]:
    """A run of `ratatouille.training.fine_tune` as on a node, and a step of each peer after each of its steps.

    Returns:
        The steps that count: our own, then each peer's.
    """
    found, data = case.inputs.foundation, case.inputs.data
    # the last step is evaluated, so it does not count
    assignment = case.inputs.fine_tune(WARMING + case.steps + 1, case.batch, keep=keep)
    network = build(found.architecture, len(data.task.classes), 0.0, case.inputs.size)
    network.load("featurizer", found.featurizer).to(case.device)
    spent: list[list[Spent]] = [[] for _ in range(1 + len(peers))]
    since = Spent.now()

    def after(done: int, total: int, loss: float) -> None:
        nonlocal since
        for own, peer in zip(spent, (None, *peers), strict=True):
            if peer is not None:
                peer()
            now = Spent.now()
            own.append(since.until(now))
            since = now

    run = FineTuning(assignment, network, data, Transform(found.architecture, case.device))
    run.run(progress=after, records=Records(case.folder / "runs", assignment))
    return [own[WARMING:-1] for own in spent]


def alone(case: TrainingCase, step: Step) -> Spent:
    """The mean step of a turn."""
    for _ in range(WARMING):
        step()
    since = Spent.now()
    for _ in range(case.steps):
        step()
    spent = since.until(Spent.now())
    return Spent(spent.clock / case.steps, spent.processor / case.steps)


class Files(Dataset[tuple[Tensor, int]]):
    """Images of one domain, decoded and changed one by one."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], size: int, mean: Sequence[float]) -> None:
        jitter = Augmentation().jitter
        self._paths, self._labels = paths, labels
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, scale=(Augmentation().smallest_crop, 1.0)),
                transforms.RandomHorizontalFlip(Augmentation().flip),
                transforms.ColorJitter(jitter, jitter, jitter, jitter),
                transforms.RandomGrayscale(Augmentation().grayscale),
                transforms.ToTensor(),
                transforms.Normalize(mean, mean),  # the deviation does not matter here
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self._paths[index]) as image:
            return self._transform(image.convert("RGB")), self._labels[index]


class Infinite(TorchSampler[list[int]]):
    """Batches without end."""

    def __init__(self, batches: BatchSampler) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        while True:
            yield from self._batches


def loaders(case: TrainingCase) -> Iterator[Batch]:
    """One `DataLoader` with one worker for each domain; they live as long as the benchmark."""
    data, mean = case.inputs.data, case.inputs.foundation.architecture.mean
    endless = []
    for indices in case.examples():
        chosen = indices.tolist()
        files = Files(
            [data.listing[index].path for index in chosen],
            [int(data.labels[index]) for index in chosen],
            case.inputs.size,
            mean,
        )
        drawn = BatchSampler(RandomSampler(files, replacement=True, num_samples=10**6), case.batch, drop_last=True)
        loader = DataLoader(
            files,
            batch_sampler=Infinite(drawn),
            num_workers=1,
            multiprocessing_context="spawn",
            pin_memory=case.device.type == "cuda",
        )
        endless.append(iter(loader))

    while True:
        parts = [next(each) for each in endless]
        images = torch.cat([images for images, _ in parts]).to(case.device, memory_format=torch.channels_last)
        yield images, torch.cat([labels for _, labels in parts]).to(case.device)


def run(kind: str, size: int, batch: int, steps: int, turns: int, device: str, folder: Path) -> dict[str, Any]:
    """The whole benchmark.

    Raises:
        Refusal: no such device, or packages of the demo that are not installed.
    """
    numerics.apply()
    case = TrainingCase(prepared_inputs(kind, folder, size), numerics.device(device), batch, steps, folder)
    peers = {"bare loop": bare(case, made(case)), "bare loop, batch ready": bare(case, ready(case))}
    if case.device.type == "cuda":  # for the record: these are other numerics than ours
        peers["bare loop, batch ready, bfloat16 (autocast)"] = bare(case, ready(case), automatic=True)
    loaded = bare(case, loaders(case))
    steps_of: dict[str, list[list[Spent]]] = {name: [[] for _ in (name, *peers)] for name in KEEPS}
    turns_of_loaders = []
    for _ in range(turns):
        for name, keep in KEEPS.items():
            for pooled, steps_here in zip(steps_of[name], beside(case, keep, tuple(peers.values())), strict=True):
                pooled.extend(steps_here)
        turns_of_loaders.append(alone(case, loaded))
    first = steps_of[next(iter(KEEPS))]
    rows = [_row(case, title, pooled, first) for title, pooled in zip(peers, first[1:], strict=True)]
    rows += [_row(case, f"ours, keeps {name}", pooled[0], pooled) for name, pooled in steps_of.items()]
    rows.append(_row(case, "bare loop, domain workers", turns_of_loaders, first))
    own = next(row for row in rows if row["variant"].startswith("ours"))
    software, name = numerics.describe(case.device)
    return {
        "data": kind,
        "network": case.inputs.foundation.architecture.name,
        "image_size": size,
        "images_per_step": case.images,
        "steps": steps,
        "turns": turns,
        "device": name,
        "cores": os.cpu_count(),
        "versions": software,
        "limit": SMALLEST_RATIO,
        "rows": rows,
        "ratio": own["ratio"],
        "limit_met": own["ratio"] >= SMALLEST_RATIO if kind == "emoji" else None,  # a step of shapes is milliseconds
    }


def _row(case: TrainingCase, title: str, spent: Sequence[Spent], same: Sequence[Sequence[Spent]]) -> dict[str, Any]:
    """`same`: the steps of ours, the bare loop and the one with a ready batch, in the turns that `spent` is from."""
    clock, processor = _medians(spent)
    bare_clock, bare_processor = _medians(same[1])
    return {
        "variant": title,
        "images_per_second": round(case.images / clock, 2),
        "milliseconds": round(1000 * clock, 3),
        "ratio": round(bare_clock / clock, 4),
        "ratio_ready": round(_medians(same[2])[0] / clock, 4),
        "processor_milliseconds": round(1000 * processor, 3),
        "processor_ratio": round(bare_processor / processor, 4),
    }


def _medians(spent: Sequence[Spent]) -> tuple[float, float]:
    return median(one.clock for one in spent), median(one.processor for one in spent)


def show(report: dict[str, Any], console: Console) -> None:
    """The report as a table."""
    table = Table(
        title=f"{report['network']}, {report['images_per_step']} images of {report['image_size']} pixels a step, "
        f"{report['device']}, {report['cores']} cores, medians of {report['turns']} × {report['steps']} steps"
    )
    table.add_column("variant")
    for column in ("images/s", "ms/step", "× bare loop", "limit", "× batch ready", "CPU ms/step", "× bare loop"):
        table.add_column(column, justify="right")
    for row in report["rows"]:
        numbers = [f"{row['images_per_second']:.1f}", f"{row['milliseconds']:.1f}", f"{row['ratio']:.3f}"]
        limit = f"{report['limit']:g}" if row["ratio"] is report["ratio"] else ""
        processor = [f"{row['processor_milliseconds']:.1f}", f"{row['processor_ratio']:.3f}"]
        table.add_row(row["variant"], *numbers, limit, f"{row['ratio_ready']:.3f}", *processor)
    console.print(table)
    verdict = {True: "The limit is met.", False: "THE LIMIT IS MISSED.", None: "At this size the limit says nothing."}
    console.print(verdict[report["limit_met"]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code: 1 for a missed limit, 2 for a refusal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--data", choices=sorted(SIZES), default="emoji")
    parser.add_argument("--image-size", type=int, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=12, help="images of a domain in a step")
    parser.add_argument("--steps", type=int, default=16, help="steps of a turn that count")
    parser.add_argument("--turns", type=int, default=5, help="at least 3")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--folder", type=Path, help="where images and records go for the time of it")
    options = parser.parse_args(arguments)
    if options.turns < 3 or options.steps < 2:
        parser.error("at least 3 turns of 2 steps")
    size = options.image_size or SIZES[options.data]
    with tempfile.TemporaryDirectory(prefix="training-", dir=options.folder) as folder:
        report = told(
            lambda: run(options.data, size, options.batch, options.steps, options.turns, options.device, Path(folder)),
            show,
            options.json,
        )
    if report is None:
        return REFUSED
    return 0 if report["limit_met"] is not False else 1


if __name__ == "__main__":
    raise SystemExit(main())
