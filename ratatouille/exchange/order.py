"""The one thing that Flower carries: an order to work on an assignment, and the hint that it is done.

An order is a few kilobytes: weights are fetched and pushed by digest through the registry. A hint may be lost without
harm, because the push was the commit.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.assignment import Assignment
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.record import Digest, Record


class Order(Record):
    """Do this, for that round; `parents` are the versions that the input digests belong to (featurizer, head)."""

    protocol: int = PROTOCOL
    round: Annotated[str, Field(max_length=80)]
    assignment: Assignment
    parents: tuple[Digest, ...] = ()
    label: Annotated[str, Field(max_length=120)] = ""
    """What people see: "soup run 3 of 5"."""


class Hint(Record):
    """What became of an order: `pushed` (its answer is in the registry), `taken` (another node is at it), `refused`."""

    work_id: Digest
    outcome: Literal["pushed", "known", "taken", "refused", "failed"]
    reason: Annotated[str, Field(max_length=2000)] = ""
