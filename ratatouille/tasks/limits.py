"""Limits of a single order, as a node's owner sets them: the table `[limits]` of a node.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ratatouille.record import Record


class Limits(Record):
    """The most that one piece of work may ask for. The defaults leave room for every protocol of the paper."""

    image_size: Annotated[int, Field(ge=1)] = 1024
    """Pixels of a side."""
    images_per_step: Annotated[int, Field(ge=1)] = 2048
    """Images of a training step, of all its domains together."""
    megapixels_per_step: Annotated[int, Field(ge=1)] = 512
    """Millions of pixels of a training step, which are in memory at one time."""
    steps: Annotated[int, Field(ge=1)] = 100_000
    """Steps of a training, or of the solver of a linear probe."""
    evaluations: Annotated[int, Field(ge=1)] = 10_000
    """How often a training looks at its validation images."""
    networks: Annotated[int, Field(ge=1)] = 1000
    """Networks of a comparison, and the parts that each of them is mixed from."""
    cells: Annotated[int, Field(ge=1)] = 1000
    """Tables of counts (domain, split, slice) for each network."""
    decoded_gigabytes: Annotated[int, Field(ge=1)] = 100
    """Decoded images that the node would keep on its disk for an order: images × pixels × 3 bytes."""
