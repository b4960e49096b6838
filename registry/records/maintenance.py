"""Records of maintenance: room, the retention policy, retractions, and the pages of an audit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ratatouille.exchange.version import RuleName
from ratatouille.record import Digest, Name, Record


class Naming(Record):
    """A name that means a version that was taken back."""

    name: Name
    version: Digest
    replacement: Digest | None = None
    """Where the name points now, if it moved; tags never do."""


class Usage(Record):
    """The usage of a registry: what it holds, and how much room it has."""

    versions: int
    blobs: int
    """Parts whose weights are here."""
    bytes: int
    collected: int = 0
    """Parts whose weights gc has removed."""
    collected_bytes: int = 0
    incoming_bytes: int = 0
    """What has come so far of pushes under way, and of such that broke off."""
    promised_bytes: int = 0
    """What is still to come of them."""
    free_bytes: int
    """Free on the disk that weights come in on."""
    reserve_bytes: int
    """What must stay free there."""
    retention_rounds: int | None = None
    """How many of the newest rounds keep their weights; None: all."""

    @property
    def room(self) -> int:
        """Bytes that new weights may take."""
        return max(0, self.free_bytes - self.reserve_bytes - self.promised_bytes)


class Thrown(Record):
    """A version whose weights gc takes."""

    id: Digest
    rule: RuleName
    task_name: Name | None = None
    round: str | None = None
    created: float


class Collected(Record):
    """The result of gc: what it removes, or would remove, and what cannot be done any more after that."""

    dry_run: bool
    keep_rounds: int | None
    """How many of the newest rounds keep their weights; None: all, so only files go that no version has."""
    versions: tuple[Thrown, ...] = ()
    """Versions that lose weights, the oldest where there are very many; their rows stay."""
    versions_in_all: int = 0
    blobs: int = 0
    """Parts whose weights go with them."""
    bytes: int = 0
    kept: dict[str, int] = Field(default_factory=dict)
    """How many versions keep their weights, by reason."""
    stray: int = 0
    """Files that no version has, among them those that an earlier gc did not get to."""
    stray_bytes: int = 0
    unprovable: tuple[Digest, ...] = ()
    """Averages that keep their weights but not all of their parents': `verify` cannot make them again, and when one of
    their parents is retracted, `retract` cannot either.
    """
    names: tuple[Naming, ...] = ()
    """Aliases and tags of those."""


class Touched(Record):
    """An average that lost parents with a retraction."""

    version: Digest
    parents: int
    """How many remain."""
    replacement: Digest | None = None
    """The average of those; None where there is none, and while it is only asked what would happen."""
    reason: str = ""
    """Why nothing takes its place."""


class Retraction(Record):
    """A version that was taken back, and what else that changed."""

    version: Digest
    number: int | None = None
    """Place among all changes; None while it is only asked what would happen."""
    standing: Literal["contributor", "maintainer"]
    """Whether it was taken back by who contributed it."""
    message: str
    author: str = ""
    """How the signer is called."""
    node: Digest
    """The signer's key."""
    at: float
    averages: tuple[Touched, ...] = ()
    """Averages that had it as a parent, through other averages too; retracted with it."""
    aliases: tuple[Naming, ...] = ()
    tags: tuple[Naming, ...] = ()
    influenced: tuple[Digest, ...] = ()
    """Versions that were trained from these, or made of such: they stand, and the influence remains. The oldest of them
    where there are very many.
    """
    influenced_in_all: int = 0

    @property
    def left_behind(self) -> tuple[Naming, ...]:
        """Aliases that point at what was taken back, since nothing took its place."""
        replaced = {one.version for one in self.averages if not one.reason}
        return tuple(one for one in self.aliases if one.version not in replaced)


Stage = Literal[
    "references",
    "definitions",
    "log",
    "receipts",
    "versions",
    "changes",
    "aliases",
    "scores",
    "weights",
    "averages",
    "files",
]
"""What an audit looks at, one kind of thing after the other."""


class Finding(Record):
    """One thing that an audit found."""

    kind: Literal["wrong", "not checkable", "unreferenced"]
    """Only what is wrong has to be acted on; an unreferenced file costs space and nothing else."""
    stage: Stage
    subject: str
    """Id, digest or name of the thing."""
    detail: str
    versions: tuple[Digest, ...] = ()
    """The versions that it is about, oldest first; the first hundred of them."""
    affected: int = 0
    """How many versions it is about."""


class AuditPlace(Record):
    """The place where an audit goes on: in a stage, after the thing with this key."""

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
