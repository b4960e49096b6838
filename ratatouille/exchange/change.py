"""Changes that people make to what others see: moves of aliases, tags, retractions, reviews.

Each is one record, signed by its author. The registry keeps them for ever in the order in which they came, so
that "who moved what, from where, when and why" has one answer. `member_changes` has those of members and their keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator

from ratatouille.exchange.receipt import ShortText
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.record import Digest, Name, Record, canonical_json

LONGEST_MESSAGE = 2000


class Change(Record):
    """The fields that all kinds of changes share."""

    kind: str
    """What it does; the name of its class, as stored rows have it."""
    author: ShortText = ""
    """How the signer is called; the key is who it is."""
    message: Annotated[str, Field(max_length=LONGEST_MESSAGE)] = ""
    """Why."""
    at: Annotated[float, Field(ge=0)]
    """When, by the signer's clock, in seconds since 1970; it also tells two equal changes apart."""
    _about: ClassVar[str]

    @property
    def subject(self) -> str:
        """The value of the field that it is about: a name, or the digest of a version, a receipt or a question."""
        return str(getattr(self, self._about))


class Move(Change):
    """Point an alias at a version (a release), if it still points where the signer saw it."""

    _about = "name"
    kind: Literal["move"] = "move"
    name: Name
    version: Digest
    before: Digest | None
    undo: bool = False
    """Whether this takes the last move back, so that a further undo goes further back."""


class Tag(Change):
    """Give a version a name that never means another one."""

    _about = "name"
    kind: Literal["tag"] = "tag"
    name: Name
    version: Digest


class Retract(Change):
    """Take a version back: a maintainer any, a contributor their own."""

    _about = "version"
    kind: Literal["retract"] = "retract"
    version: Digest


class RetractCounts(Change):
    """Take counts back (an evaluation or a comparison, which make no version), by the digest of their receipt."""

    _about = "receipt"
    kind: Literal["retract_counts"] = "retract_counts"
    receipt: Digest


class Restore(Change):
    """Let a receipt that was taken back come again: without this it never returns."""

    _about = "receipt"
    kind: Literal["restore"] = "restore"
    receipt: Digest


class Close(Change):
    """Close a question for the signer's own key: it is not to answer that question (any more)."""

    _about = "question"
    kind: Literal["close"] = "close"
    question: Digest
    """The work id."""


class Reopen(Change):
    """Open a question again that the same key has closed."""

    _about = "question"
    kind: Literal["reopen"] = "reopen"
    question: Digest


ReviewState = Literal["admitted", "quarantined", "rejected"]
LONGEST_REASON = 500
"""Characters of the reason of a review."""
MOST_EVIDENCE = 4 * 2**10
"""Bytes of a review's evidence as canonical JSON."""
Evidence = dict[Name, StrictInt | StrictFloat | ShortText]


class Review(Change):
    """Say whether a version may enter averages: the verdict of a round's gate, or a maintainer's decision."""

    _about = "version"
    kind: Literal["review"] = "review"
    version: Digest
    state: ReviewState
    reason: Annotated[str, Field(max_length=LONGEST_REASON)]
    """Why, in one sentence."""
    evidence: Evidence = Field(default_factory=dict)
    """The numbers that it follows from."""
    by: Literal["gate", "maintainer"]
    round: Annotated[str, Field(max_length=80)] | None = None
    """The round whose gate it was."""

    @model_validator(mode="after")
    def _is_short(self) -> Review:
        if (length := len(canonical_json(self.evidence))) > MOST_EVIDENCE:
            raise ValueError(f"the evidence has {length} bytes, and {MOST_EVIDENCE} are the most")
        return self


VERSION_CHANGES: tuple[type[Change], ...] = (Move, Tag, Retract, RetractCounts, Restore, Close, Reopen, Review)
"""The kinds in this module."""


def has_closed(node: str, question: str, closures: Iterable[Sealed]) -> bool:
    """Whether one of these closures is of this question, and signed by this key.

    Raises:
        Refusal: for one in the key's name that it did not sign.
    """
    mine = (unseal(sealed, Close) for sealed in closures if sealed.node == node)
    return any(change.question == question for change in mine)
