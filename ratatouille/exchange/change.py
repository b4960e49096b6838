"""Changes that people make to what others see: an alias moves, a tag is set, a version is taken back.

Each is one record, signed by whoever makes it. The registry keeps them for ever in the order in which they came, so
that "who moved what, from where, when and why" has one answer.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.receipt import ShortText
from ratatouille.record import Digest, Name, Record

LONGEST_MESSAGE = 2000


class _Change(Record):
    """What all kinds share."""

    author: ShortText = ""
    """How the signer is called; the key is who it is."""
    message: Annotated[str, Field(max_length=LONGEST_MESSAGE)] = ""
    """Why."""
    at: Annotated[float, Field(ge=0)]
    """When, by the signer's clock, in seconds since 1970; it also tells two equal changes apart."""


class Move(_Change):
    """Point an alias at a version (a release), if it still points where the signer saw it."""

    kind: Literal["move"] = "move"
    name: Name
    version: Digest
    before: Digest | None
    undo: bool = False
    """Whether this takes the last move back, so that a further undo goes further back."""


class Tag(_Change):
    """Give a version a name that never means another one."""

    kind: Literal["tag"] = "tag"
    name: Name
    version: Digest


class Retract(_Change):
    """Take a version back: a maintainer any, a contributor their own."""

    kind: Literal["retract"] = "retract"
    version: Digest


Change = Move | Tag | Retract
