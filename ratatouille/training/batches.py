"""Training batches, one ahead: while a step computes, a thread draws, reads and augments the images of the next.

The numbers are those of a loop without the thread: batches are made one after the other, and `state` is the one after
the last batch that was taken, whatever is in the making. On a GPU they are made on a stream of their own.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ratatouille.exchange.assignment import Augmentation
from ratatouille.training.augment import Transform
from ratatouille.training.sampler import Sampler

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
