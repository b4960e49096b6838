"""Reviews of versions: whether each may enter averages, who says so, and on which evidence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.change import ReviewState
from ratatouille.record import Digest, Name, Record

NOT_TAKEN: tuple[ReviewState, ...] = ("quarantined", "rejected")
"""The reviews of versions that enter no average."""


class ReviewChange(Record):
    """One signed review of a version."""

    number: int
    """Its place among all signed changes."""
    state: ReviewState
    reason: str
    """Why, in one sentence."""
    evidence: dict[Name, int | float | str]
    """The numbers that it follows from."""
    by: Literal["gate", "maintainer"]
    """The gate of a round, or a maintainer, whose decision stands whatever a gate says later."""
    round: str | None
    """The round whose gate it was."""
    author: str
    """How the signer is called."""
    node: Digest
    """The signer's key."""
    at: float
    """When it came, by the registry's clock."""


class ReviewRecord(ReviewChange):
    """The standing review of a version: the last decision of a maintainer, or else the last verdict of a gate."""

    version: Digest
    task_name: Name | None
    contributor: str | None
    """How the node that made the version is called."""
    maker: Digest | None
    """That node's key; None for what the registry made itself."""
    history: Annotated[tuple[ReviewChange, ...], Field(exclude_if=lambda history: not history)] = ()
    """All reviews of it, latest first; only `find_review` gives them."""
