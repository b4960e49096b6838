"""The header of a parcel: its contents and their sizes, checked before anything else of it is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.receipt import ShortText
from ratatouille.record import Digest, Record

HEAD = "parcel.json"
WEIGHTS = "weights/"
LARGEST_HEAD = 4 * 2**20
"""Bytes of parcel.json."""
LONGEST_LINE = 40 * 2**20
"""Bytes of one record; the largest receipt fits."""
MOST_VERSIONS = 10_000
"""A parcel is entered in one transaction, and others wait meanwhile; more history moves by backup."""
RECORDS = ("architectures", "tasks", "receipts", "versions")
"""The files of records, in their order; versions are `registry.records.Portable`, receipts are sealed."""


class Lines(Record):
    """One file of records: a line of canonical JSON for each."""

    lines: Annotated[int, Field(ge=0, le=20 * MOST_VERSIONS)]
    size: Annotated[int, Field(ge=0, le=2**31)]
    sha256: Digest


class Parcel(Record):
    """parcel.json: what is in the other files. Its digest names the whole parcel."""

    format: Literal[1] = 1
    software: ShortText
    asked: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=MOST_VERSIONS)]
    """The versions that the parcel was made for; the others are their ancestors."""
    needs: Annotated[tuple[Digest, ...], Field(max_length=MOST_VERSIONS)] = ()
    """Versions that are not inside, and that a registry must have to take it."""
    architectures: Lines
    tasks: Lines
    receipts: Lines
    versions: Lines
    weights: Annotated[int, Field(ge=0, le=2 * MOST_VERSIONS)]
    bytes: Annotated[int, Field(ge=0)]
    """Of all weights."""

    def records(self, name: str) -> Lines:
        """One of the files of `RECORDS`."""
        return {
            "architectures": self.architectures,
            "tasks": self.tasks,
            "receipts": self.receipts,
            "versions": self.versions,
        }[name]
