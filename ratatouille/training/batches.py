"""Training batches: `batch` images of every domain, drawn with replacement, made one ahead of the step that computes.

Source: docs/method.md §2. Each stream of random numbers (images, augmentation, dropout) has its own generator. It is
seeded by its name and the run's seed only, so runs with equal seeds see equal batches, whatever they start from.

While a step computes, a thread draws, reads and augments the images of the next. The numbers are those of a loop
without the thread: batches are made one after the other, and `state` is the one after the last batch that was taken,
whatever is in the making. On a GPU they are made on a stream of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Augmentation
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.data import LocalData
from ratatouille.training.augment import Transform


def stream_seed(name: str, seed: int) -> int:
    """The seed of a named stream: 63 bits of SHA-256 of the canonical JSON [name, seed]."""
    return int(sha256(canonical_json([name, seed]))[:16], 16) >> 1


def stream(name: str, seed: int) -> torch.Generator:
    """A generator on the CPU for a named stream."""
    return torch.Generator().manual_seed(stream_seed(name, seed))


class Sampler:
    """Draws example indices; `generator` is its whole state."""

    def __init__(self, domains: Sequence[NDArray[np.int64]], batch: int, generator: torch.Generator) -> None:
        """Draw `batch` of each array of indices; none may be empty."""
        assert all(len(indices) for indices in domains)
        self.generator = generator
        self._domains = [torch.from_numpy(np.ascontiguousarray(indices)) for indices in domains]
        self._batch = batch

    def draw(self) -> NDArray[np.int64]:
        """The next batch: int64 [number of domains × batch]."""
        drawn = [
            indices[torch.randint(len(indices), (self._batch,), generator=self.generator)] for indices in self._domains
        ]
        result: NDArray[np.int64] = torch.cat(drawn).numpy()
        return result


State = dict[str, Tensor]
"""The states of both generators, by the names of their streams."""


@dataclass(frozen=True)
class Batch:
    """Normalised images [B, 3, S, S] and true classes, int64 [B], on the device; `after` is the state that follows."""

    images: Tensor
    labels: Tensor
    after: State


class Batches:
    """The batches of one run, in order. A context: leaving it ends the thread."""

    def __init__(
        self,
        sampler: Sampler,
        generator: torch.Generator,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64],
        transform: Transform,
        augmentation: Augmentation,
        device: torch.device,
    ) -> None:
        """`sampler` draws examples of `pixels` [N, S, S, 3] and `labels` [N]; `generator` draws their changes."""
        self._sampler, self._generator = sampler, generator
        self._pixels, self._labels = pixels, labels
        self._transform, self._augmentation, self._device = transform, augmentation, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: Future[Batch] | None = None
        self._state = self._drawn()

    def __enter__(self) -> Batches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def take(self, last: bool = False) -> Batch:
        """The next batch; the one after it is begun, unless this is the `last`."""
        batch = (self._next or self._thread.submit(self._make)).result()
        self._next = None if last else self._thread.submit(self._make)
        self._state = batch.after
        if self._stream is not None:  # or its memory could be given to another batch while a step still reads it
            batch.images.record_stream(torch.cuda.current_stream(self._device))
            batch.labels.record_stream(torch.cuda.current_stream(self._device))
        return batch

    def state(self) -> State:
        """What `restore` goes on from: the next batch will be the one after the last that was taken."""
        return self._state

    def restore(self, state: State) -> None:
        """Take over a saved state, before the first batch is taken."""
        assert self._next is None
        self._state = state
        self._sampler.generator.set_state(state["sampler"])
        self._generator.set_state(state["augmentation"])

    def _drawn(self) -> State:
        return {"sampler": self._sampler.generator.get_state(), "augmentation": self._generator.get_state()}

    def _make(self) -> Batch:
        drawn = self._sampler.draw()
        with torch.cuda.stream(self._stream):  # None on a CPU, where it does nothing
            images = self._transform.random(self._pixels[drawn], self._augmentation, self._generator)
            labels = torch.from_numpy(self._labels[drawn]).to(self._device)
        if self._stream is not None:
            self._stream.synchronize()
        return Batch(images, labels, self._drawn())


def random_state(batches: Batches, device: torch.device) -> dict[str, Any]:
    """The state of all random numbers that a training draws: those of its batches, and dropout's."""
    return {
        **batches.state(),
        "dropout": torch.get_rng_state(),
        "dropout_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "dropout_mps": torch.mps.get_rng_state() if device.type == "mps" else None,
    }


def restore_random_state(state: dict[str, Any], batches: Batches, device: torch.device) -> None:
    """Take over a saved state, before the first batch is taken."""
    batches.restore(state)
    torch.set_rng_state(state["dropout"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["dropout_cuda"], device)
    if device.type == "mps":
        torch.mps.set_rng_state(state["dropout_mps"])


def training_examples(data: LocalData, domains: tuple[str, ...], trial: int) -> list[NDArray[np.int64]]:
    """The training split of each domain.

    Raises:
        Refusal: for a domain without training images.
    """
    training = [data.examples(domain, "train", trial) for domain in domains]
    for domain, chosen in zip(domains, training, strict=True):
        if not len(chosen):
            raise Refusal(
                f"there is no training image of domain '{domain}' of task '{data.task.name}' here",
                code="data-too-small",
                domain=data.task.domains.index(domain),
            )
    return training


def class_weights(data: LocalData, training: NDArray[np.int64]) -> Tensor | None:
    """Float32 [classes] for a task with balanced class weights: N / (K · n) for a class with n of N images, K classes
    present; None for other tasks.
    """
    if data.task.class_weights != "balanced":
        return None
    counts = np.bincount(data.labels[training], minlength=len(data.task.classes))
    weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weights.astype(np.float32))
