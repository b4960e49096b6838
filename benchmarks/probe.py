"""The linear probe on stored features, against probing step by step, to the same validation accuracy.

`python -m benchmarks.probe [--json] [--data emoji|shapes] [--image-size N] [--batch N] [--steps N] [--turns N]
[--device auto|cpu|cuda] [--folder DIR]`

Ours computes the features of every image once and fits the head on them (`ratatouille.training.probe`); a second probe
on the same featurizer, such as one with another l2, finds them. The peer is the reference's: every step draws and
augments a batch, passes it through the frozen featurizer, and Adam moves the head. Its time stops at the first
evaluation that is as good as ours on validation images; evaluations themselves are not counted. If it does not get
there in so many steps, the time of all of them is a lower limit. It has two rows: at the paper's learning rate, which
the limit is about, and at the fastest of several rates, which takes turns with ours (medians are compared).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.inputs import SIZES, Inputs, prepared_inputs
from benchmarks.output import REFUSED, told
from ratatouille.exchange.assignment import Augmentation, Cell
from ratatouille.recipes.protocol import DOMAINBED
from ratatouille.training import numerics, probe
from ratatouille.training.augment import Transform
from ratatouille.training.batches import Sampler, stream, training_examples
from ratatouille.training.evaluate import Count
from ratatouille.training.network import Network, build
from ratatouille.weights.canonical import Array

SMALLEST_RATIO = 10.0
"""How many times as long step-by-step probing at the paper's learning rate should take."""
RATES = (DOMAINBED.learning_rate, 1e-3, 3e-3, 1e-2)
"""Learning rates of the peer: the paper's, and usual ones for a head."""
EVERY = 20
"""Steps between two of the peer's evaluations."""


@dataclass(frozen=True)
class ProbeCase:
    """A frozen network and what it is probed on."""

    inputs: Inputs
    network: Network
    transform: Transform
    device: torch.device

    def training(self) -> list[NDArray[np.int64]]:
        """The training split of each domain."""
        return training_examples(self.inputs.data, self.inputs.domains, 0)

    def features(self, folder: Path) -> dict[int, NDArray[np.float32]]:
        """Features by example, computed or found in a folder."""
        data = self.inputs.data
        of = probe.Features(
            self.network.featurizer, data, self.inputs.size, self.transform, folder, ("benchmark", str(self.device))
        )
        rows: dict[int, NDArray[np.float32]] = {}
        for domain in self.inputs.domains:
            rows.update(zip(data.examples(domain).tolist(), of.of_domain(domain), strict=True))
        return rows

    def accuracy(self, rows: dict[int, NDArray[np.float32]], head: dict[str, Array]) -> float:
        """Mean over domains of the accuracy on validation images."""
        cells = [Cell(domain=domain, split="validation") for domain in self.inputs.domains]
        counted = Count(cells, self.inputs.data, 0).of(
            lambda wanted: np.stack([rows[index] for index in wanted.tolist()]) @ head["weight"].T + head["bias"]
        )
        return fmean(each.evaluation.accuracy for each in counted)


def ours(case: ProbeCase, folder: Path) -> tuple[float, dict[str, Array]]:
    """Seconds of a probe, from pixels (or from what lies in the folder) to the head."""
    began = time.perf_counter()
    training, asked, data = case.training(), case.inputs.probe(), case.inputs.data
    rows, chosen = case.features(folder), np.concatenate(training)
    features = np.stack([rows[index] for index in chosen.tolist()])
    shares = probe.shares(data, training, None)
    head, _ = probe.fit(features, data.labels[chosen], shares, len(data.task.classes), asked.l2, asked.iterations)
    return time.perf_counter() - began, head


@dataclass(frozen=True)
class Walked:
    """How far the peer came: seconds of its steps, how many they were, and its best validation accuracy."""

    seconds: float
    steps: int
    accuracy: float
    reached: bool


def step_by_step(
    case: ProbeCase, rows: dict[int, NDArray[np.float32]], goal: float, rate: float, batch: int, most: int
) -> Walked:
    """The head trained by Adam on augmented batches until it is as good as `goal`, for `most` steps at most."""
    data = case.inputs.data
    head = nn.Linear(next(iter(rows.values())).size, len(data.task.classes)).to(case.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimiser = torch.optim.Adam(head.parameters(), lr=rate, fused=True)
    sampler = Sampler(case.training(), batch, stream("sampler", 0))
    augmenting, pixels = stream("augmentation", 0), data.images(case.inputs.size)
    seconds, best = 0.0, 0.0
    for step in range(1, most + 1):
        began = time.perf_counter()
        drawn = sampler.draw()
        images = case.transform.random(pixels[drawn], Augmentation(), augmenting)
        labels = torch.from_numpy(data.labels[drawn]).to(case.device)
        with torch.no_grad():
            features: Tensor = case.network.featurizer(images)
        loss = functional.cross_entropy(head(features), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()
        seconds += time.perf_counter() - began
        if step % EVERY == 0 or step == most:
            weights = {name: value.detach().cpu().numpy() for name, value in head.named_parameters()}
            best = max(best, case.accuracy(rows, weights))
            if best >= goal:
                return Walked(seconds, step, best, True)
    return Walked(seconds, most, best, False)


def run(kind: str, size: int, batch: int, most: int, turns: int, device: str, folder: Path) -> dict[str, Any]:
    """The whole benchmark.

    Raises:
        Refusal: no such device, or packages of the demo that are not installed.
    """
    numerics.apply()
    inputs, on = prepared_inputs(kind, folder, size), numerics.device(device)
    architecture = inputs.foundation.architecture
    network = build(architecture, len(inputs.data.task.classes), 0.0, size)
    network.load("featurizer", inputs.foundation.featurizer).to(on).eval()
    case = ProbeCase(inputs, network, Transform(architecture, on), on)
    _, head = ours(case, folder / "first")  # not counted: pages and libraries are loaded
    rows = case.features(folder / "first")
    goal = case.accuracy(rows, head)
    walks = {rate: step_by_step(case, rows, goal, rate, batch, most) for rate in RATES}
    fastest = min(walks, key=lambda rate: (not walks[rate].reached, walks[rate].steps, -walks[rate].accuracy))
    fresh, again, peer = [], [], []
    for turn in range(turns):
        fresh.append(ours(case, folder / f"turn-{turn}")[0])
        again.append(ours(case, folder / f"turn-{turn}")[0])
        peer.append(step_by_step(case, rows, goal, fastest, batch, most).seconds)
    software, name = numerics.describe(on)
    own, reused, paper = median(fresh), median(again), walks[DOMAINBED.learning_rate]
    variants = {
        "ours, features computed": own,
        "ours, features reused": reused,
        "step by step, paper's rate": paper.seconds,
        "step by step, fastest rate": median(peer),
    }
    met = paper.seconds / own >= SMALLEST_RATIO
    return {
        "data": kind,
        "network": architecture.name,
        "image_size": size,
        "images": sum(map(len, case.training())),
        "images_per_step": batch * len(inputs.domains),
        "turns": turns,
        "device": name,
        "cores": os.cpu_count(),
        "versions": software,
        "validation_accuracy": goal,
        "rows": [
            {
                "variant": title,
                "seconds": round(seconds, 4),
                "ratio": round(seconds / own, 2),
                "ratio_reused": round(seconds / reused, 2),
            }
            for title, seconds in variants.items()
        ],
        "fastest_rate": fastest,
        "searched": [{"learning_rate": rate, **vars(walk)} for rate, walk in walks.items()],
        "limit": SMALLEST_RATIO,
        "limit_met": met if kind == "emoji" else None,
    }


def show(report: dict[str, Any], console: Console) -> None:
    """The report as a table."""
    table = Table(
        title=f"Probing {report['network']}: {report['images']} training images of {report['image_size']} pixels, "
        f"{report['device']}, {report['cores']} cores, medians of {report['turns']} turns"
    )
    table.add_column("variant")
    for column in ("seconds", "÷ ours", "limit", "÷ ours, features reused"):
        table.add_column(column, justify="right")
    for row in report["rows"]:
        limit = f"{report['limit']:g}" if "paper" in row["variant"] else ""
        numbers = (f"{row['seconds']:.2f}", f"{row['ratio']:.1f}", limit, f"{row['ratio_reused']:.1f}")
        table.add_row(row["variant"], *numbers)
    console.print(table)
    console.print(f"Goal: {100 * report['validation_accuracy']:.1f} % on validation images, which ours has.")
    for one in report["searched"]:
        came = "reached" if one["reached"] else f"not reached ({100 * one['accuracy']:.1f} %)"
        console.print(f"Step by step at a rate of {one['learning_rate']:g}: {came} in {one['steps']} steps.")
    verdict = {True: "The limit is met.", False: "THE LIMIT IS MISSED.", None: "At this size the limit says nothing."}
    console.print(verdict[report["limit_met"]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code: 1 for a missed limit, 2 for a refusal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probe", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--data", choices=sorted(SIZES), default="emoji")
    parser.add_argument("--image-size", type=int, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=12, help="images of a domain in a step of the peer")
    parser.add_argument("--steps", type=int, default=600, help="most steps of the peer")
    parser.add_argument("--turns", type=int, default=3, help="at least 3")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--folder", type=Path, help="where images and features go for the time of it")
    options = parser.parse_args(arguments)
    if options.turns < 3:
        parser.error("at least 3 turns")
    size = options.image_size or SIZES[options.data]
    with tempfile.TemporaryDirectory(prefix="probe-", dir=options.folder) as folder:
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
