"""Records of an audit: its findings, page by page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from ratatouille.record import Digest, Record

Stage = Literal[
    "references", "definitions", "receipts", "versions", "changes", "aliases", "scores", "weights", "averages", "files"
]
"""What an audit looks at, one kind of thing after the other."""


class Finding(Record):
    """One thing that an audit found."""

    kind: Literal["wrong", "not checkable", "unreferenced"]
    """Only what is wrong needs somebody; an unreferenced file costs space and nothing else."""
    stage: Stage
    subject: str
    """Id, digest or name of the thing."""
    detail: str
    versions: tuple[Digest, ...] = ()
    """The versions that it is about, oldest first; the first hundred of them."""
    affected: int = 0
    """How many versions it is about."""


class AuditPlace(Record):
    """Where an audit goes on: in a stage, after the thing with this key."""

    stage: Stage
    after: Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=200)] = ""


class AuditPage(Record):
    """A piece of an audit: what was found, and how far it is."""

    stage: Stage
    findings: tuple[Finding, ...]
    looked: int
    """Things that were looked at on this page."""
    bytes: int = 0
    """Weights that were read."""
    total: int
    """Things of this stage in all; more may come while it runs."""
    following: AuditPlace | None
    """Where the next page begins; None when this was the last one."""
