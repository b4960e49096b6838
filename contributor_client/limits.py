"""Compares an order with what the node's owner allows, before any work begins: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, FineTune, NodeAssignment, Probe
from ratatouille.tasks.limits import Limits

GIGABYTE = 10**9


def refuse_beyond(limits: Limits, assignment: NodeAssignment, images: int) -> None:
    """Let pass what is within all limits; `images` is how many the holding has.

    Raises:
        Refusal: with code `order-too-large`, naming the first limit that is passed and what was asked for.
    """
    for name, asked in demands(assignment, images):
        allowed: int = getattr(limits, name)
        if asked > allowed:
            raise Refusal(
                f"the order asks for {asked} {name.replace('_', ' ')}, and this node allows {allowed} "
                f"(`{name}` under [limits] in its node.toml)",
                code="order-too-large",
                limit=allowed,
                number=min(asked, 2**53 - 1),
            )


def demands(assignment: NodeAssignment, images: int) -> Iterator[tuple[str, int]]:
    """What work asks for, by the names of `Limits`."""
    pixels = assignment.image_size**2
    yield "image_size", assignment.image_size
    yield "decoded_gigabytes", math.ceil(images * pixels * 3 / GIGABYTE)
    match assignment:
        case Probe():
            yield "steps", assignment.iterations
        case FineTune():
            together = assignment.batch * max(1, len(assignment.domains))
            yield "images_per_step", together
            yield "megapixels_per_step", math.ceil(together * pixels / 10**6)
            yield "steps", assignment.steps
            yield "evaluations", math.ceil(assignment.steps / assignment.evaluate_every)
        case Evaluate():
            yield "cells", len(assignment.cells)
        case Compare():
            yield "networks", len(assignment.networks)
            parts = [max(len(network.featurizer), len(network.head)) for network in assignment.networks]
            yield "networks", max(parts)
            yield "cells", len(assignment.cells)
