"""Networks to count: members, averages of members and networks between, and what they predict on which images.

Worker processes predict, with the arithmetic of a node; the answers are kept in a folder, since many rounds ask for the
same network. The process that plans knows no torch.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.benchmark.admission.trained import CHANGES, TARGET_CLASS, stamp
from coordinator.rehearsal import RehearsalSite
from ratatouille.exchange.assignment import Cell, FineTune, KeepLast
from ratatouille.exchange.confusion import confusion_of
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair
from ratatouille.folders import write_whole
from ratatouille.processes.ending import process_pool
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.node import open_holdings
from ratatouille.weights.architecture import PARTS, Part
from registry.opening import open_registry

Predicted = NDArray[np.int64]
"""The predicted class of each image of a set."""


@dataclass(frozen=True)
class Network:
    """Members with their coefficients (featurizer, head, coefficient), and how they become one."""

    terms: tuple[tuple[str, str, float], ...]
    method: str = "mean"
    share: float | None = None

    @classmethod
    def between(cls, first: Network, second: Network, at: float) -> Network:
        """(1 − at) · first + at · second, of two single networks."""
        (one,), (other,) = first.terms, second.terms
        return cls(((*one[:2], 1 - at), (*other[:2], at)))

    @property
    def key(self) -> list[Any]:
        """What tells it from others."""
        return [self.method, self.share, sorted([*term] for term in self.terms)]


@dataclass(frozen=True)
class ImageSet:
    """Which images are looked at: a trial's validation images or those of held-out domains, plain or with a patch."""

    cells: tuple[tuple[str, str], ...]
    trial: int
    stamped: bool = False


@dataclass(frozen=True)
class Place:
    """Where workers find registry, data and task."""

    site: RehearsalSite
    task: str
    fingerprint: str
    architecture: str
    image_size: int


_open: list[Any] = []


class _Worker:
    """One worker process with data and a network that is loaded again and again."""

    def __init__(self, place: Place) -> None:
        from ratatouille.training import numerics
        from ratatouille.training.augment import Transform
        from ratatouille.training.network import build

        self.place = place
        self.registry = open_registry(place.site.url)
        self.data = _data(place, self.registry.definitions.task)
        self.architecture = self.registry.definitions.architecture(place.architecture)
        self.classes = len(self.data.task.classes)
        self.network = build(self.architecture, self.classes, 0.0, place.image_size).eval()
        self.transform = Transform(self.architecture, numerics.device("cpu"))
        self.pixels = self.data.images(place.image_size)
        self.stamped = stamp(np.array(self.pixels))


def _data(place: Place, find_task: Callable[[str], Any]) -> LocalData:
    for settings in place.site.nodes:
        held = open_holdings(settings, find_task, place.site.folder / "data")
        if place.fingerprint in held:
            return held[place.fingerprint]
    raise KeyError(place.fingerprint)


def _start(place: Place) -> None:
    from ratatouille.training import numerics

    numerics.apply()
    _open.append(_Worker(place))


def _predict(network: Network, images: ImageSet) -> list[int]:
    from ratatouille.training.evaluate import Count, forward
    from ratatouille.weights.canonical import open_part
    from ratatouille.weights.combine import Term, combine_files, sole

    worker: _Worker = _open[0]
    for place, part in enumerate(PARTS):
        shares = [((term[0], term[1])[place], term[2]) for term in network.terms]
        tensors = worker.architecture.part(part, worker.classes)
        only = sole(shares) if network.method == "mean" else None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part" if only is None else worker.registry.weights.fetch(only)
            if only is None:
                terms = [Term(one, worker.registry.weights.fetch(one), _count(share)) for one, share in shares]
                parameters = {} if network.share is None else {"share": network.share}
                with path.open("wb") as file:
                    combine_files(terms, tensors, file, network.method, parameters)
            worker.network.load(part, open_part(path, tensors))
    count = Count(_cells(images), worker.data, images.trial)
    pixels = worker.stamped if images.stamped else worker.pixels
    predicted, _ = count.looked(lambda chosen: forward(worker.network, pixels, chosen, worker.transform))
    found: list[int] = predicted.tolist()
    return found


def _count(share: float) -> int | float:
    return 1 if share == 1 else share


def _cells(images: ImageSet) -> list[Cell]:
    return [Cell.model_validate({"domain": domain, "split": split}) for domain, split in images.cells]


def _images(images: ImageSet) -> tuple[list[int], list[list[int]]]:
    """True classes of a set's images, and where each cell's images are among them."""
    from ratatouille.training.evaluate import Count

    worker: _Worker = _open[0]
    count = Count(_cells(images), worker.data, images.trial)
    return count.labels.tolist(), [at.tolist() for at in count.places()]


def _train(attack: str, assignment: FineTune, folder: Path) -> None:
    """Train an attack; its parts are files of the folder, the head last.

    An attacker keeps its last step: the best one on honest validation images might be the start.
    """
    from ratatouille.training.perform import perform

    worker: _Worker = _open[0]
    data = CHANGES[attack](worker.data, assignment.trial)
    assignment = assignment.model_copy(update={"keep": KeepLast()})
    start = {one: worker.registry.weights.fetch(one) for one in (assignment.featurizer, assignment.head)}
    with tempfile.TemporaryDirectory() as workspace:
        made = perform(assignment, data.task, worker.architecture, data, start, Path(workspace), device="cpu")
        for part, digest in zip(PARTS, (made.featurizer, made.head), strict=True):
            write_whole(folder / part, [made.files[str(digest)].read_bytes()])


@dataclass(frozen=True)
class Images:
    """True classes of a set's images, and its cells."""

    labels: Predicted
    cells: tuple[Cell, ...]
    places: tuple[Predicted, ...]
    classes: int

    def accuracy(self, predicted: Predicted) -> float:
        """Mean over the cells' domains."""
        right = predicted == self.labels
        return float(np.mean([right[place].mean() for place in self.places if len(place)]))

    def taken_for_target(self, predicted: Predicted) -> float:
        """Share of the images of other classes that are taken for the class that the patch means."""
        others = self.labels != TARGET_CLASS
        return float((predicted[others] == TARGET_CLASS).mean())

    def comparison(self, networks: Sequence[Predicted]) -> Comparison:
        """What a node answers to a `Compare` of these networks with pairs."""
        rows = []
        for predicted in networks:
            row = []
            for cell, place in zip(self.cells, self.places, strict=True):
                codes = self.labels[place] * self.classes + predicted[place]
                found, images = np.unique(codes, return_counts=True)
                entries = zip(
                    (found // self.classes).tolist(), (found % self.classes).tolist(), images.tolist(), strict=True
                )
                row.append(Evaluation(cell=cell, confusion=confusion_of(self.classes, entries)))
            rows.append(tuple(row))
        return Comparison(networks=tuple(rows), pairs=tuple(self._pairs(networks)))

    def _pairs(self, networks: Sequence[Predicted]) -> Iterator[Pair]:
        for cell, place in zip(self.cells, self.places, strict=True):
            right = [predicted[place] == self.labels[place] for predicted in networks]
            for first, second in combinations(range(len(right)), 2):
                yield Pair.of(cell, first, second, right)


@contextmanager
def predicting(place: Place, folder: Path, workers: int) -> Iterator[Predictions]:
    """Predictions by so many worker processes, one thread each."""
    with process_pool(workers, _start, (place,)) as pool:
        yield Predictions(place, folder, pool)


class Predictions:
    """What networks predict; every answer is kept in the folder, and asked for once."""

    def __init__(self, place: Place, folder: Path, pool: ProcessPoolExecutor) -> None:
        self._place, self._folder, self._pool = place, folder, pool
        self._known: dict[str, Predicted] = {}
        self._images: dict[ImageSet, Images] = {}

    def images(self, images: ImageSet, classes: int) -> Images:
        """A set's true classes."""
        if images not in self._images:
            labels, places = self._pool.submit(_images, images).result()
            found = tuple(np.array(place, dtype=np.int64) for place in places)
            self._images[images] = Images(np.array(labels), tuple(_cells(images)), found, classes)
        return self._images[images]

    def ask(
        self, wanted: Sequence[tuple[Network, ImageSet]], progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Have everything predicted that is not known yet."""
        open_ = {self._key(*one): one for one in wanted}
        open_ = {key: one for key, one in open_.items() if self._read(key) is None}
        futures = {self._pool.submit(_predict, *one): key for key, one in open_.items()}
        for done, future in enumerate(as_completed(futures), 1):
            key = futures[future]
            self._known[key] = np.array(future.result())
            write_whole(self._folder / f"{key}.json", [canonical_json(future.result())])
            if progress is not None:
                progress(done, len(futures))

    def __call__(self, network: Network, images: ImageSet) -> Predicted:
        """What one network predicts."""
        key = self._key(network, images)
        if self._read(key) is None:
            self.ask([(network, images)])
        return self._known[key]

    def train(
        self, attack: str, works: Sequence[FineTune], folder: Path, progress: Callable[[int, int], None]
    ) -> list[dict[Part, Path]]:
        """Train an attack in place of these trainings; what lies in the folder is not trained again."""
        places = [folder / attack.replace(" ", "-") / work.digest for work in works]
        futures = [
            self._pool.submit(_train, attack, work, place)
            for work, place in zip(works, places, strict=True)
            if not (place / "head").exists()
        ]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            progress(done, len(futures))
        return [{part: place / part for part in PARTS} for place in places]

    def _key(self, network: Network, images: ImageSet) -> str:
        place = self._place
        about = [network.key, [list(cell) for cell in images.cells], images.trial, images.stamped]
        return sha256(canonical_json([about, place.task, place.fingerprint, place.image_size]))

    def _read(self, key: str) -> Predicted | None:
        path = self._folder / f"{key}.json"
        if key not in self._known and path.exists():
            self._known[key] = np.array(json.loads(path.read_bytes()))
        return self._known.get(key)
