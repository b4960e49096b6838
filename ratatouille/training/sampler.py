"""The sampler of batches: `batch` images of every domain, with replacement, in the order of the domains.

Source: docs/method.md §2. Each stream of random numbers (images, augmentation, dropout) has its own generator. It is
seeded by its name and the run's seed only, so runs with equal seeds see equal batches, whatever they start from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ratatouille.record import canonical_json, sha256


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
