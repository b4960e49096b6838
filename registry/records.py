"""What the registry answers: plain frozen values, the same in process, over gRPC and as `--json`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, StringConstraints

from ratatouille.exchange.assignment import Slice, Split
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.receipt import Comparison, Evaluation, Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import RuleName, Version
from ratatouille.record import Digest, Name, Record
from ratatouille.weights.architecture import Part

State = Literal["receiving", "quarantined", "admitted", "rejected", "retracted", "duplicate"]
Metric = Literal["accuracy", "balanced_accuracy"]
RoundState = Literal["requested", "running", "done", "failed", "cancelling", "cancelled"]
OVER: frozenset[RoundState] = frozenset({"done", "failed", "cancelled"})
"""States of a round that nothing is done for any more."""
ALIVE: tuple[RoundState, ...] = ("requested", "running", "cancelling")
"""States of a round that runs, waits to, or is being ended."""


class Info(Record):
    """Who answers: protocol and software, where its fleet can be reached, what it keeps its state in."""

    protocol: int = PROTOCOL
    software: str
    fleet: str | None = None
    """Address of the Flower SuperLink that nodes of this federation join; None when no coordinator is up."""
    web: str | None = None
    """Address of the service's web page, for a browser on its own machine; None when it has none."""
    database: str = ""
    """Kind and version of the database, never where it is."""
    weights: str = ""
    """Kind of the store for weights: `folder`, `s3` …"""
    retractions: int = 0
    """Grows with each retraction: what was read before the last one may not stand any more."""


class Result(Record):
    """The answer to a question (assignment or combination) that the registry knows."""

    work_id: Digest
    version: Digest | None = None
    featurizer: Digest | None = None
    head: Digest | None = None
    task: Digest | None = None
    node: Digest | None = None
    evaluations: tuple[Evaluation, ...] = ()
    comparison: Comparison | None = None
    seconds: float = 0.0
    overhead: float = 0.0
    created: float = 0.0
    collected: float | None = None
    """When gc removed its weights, or some of them; the answer and its counts stand."""


class StoredEvaluation(Record):
    """A confusion matrix of a version, with where it was counted."""

    task: Digest
    task_name: Name
    fingerprint: Digest
    node: Digest
    trial: int
    image_size: int
    evaluation: Evaluation


class LogQuery(Record):
    """Which versions a log lists: those that fit everything that is given."""

    task: Annotated[str, Field(max_length=80)] | None = None
    """Name or digest."""
    kind: RuleName | None = None
    contributor: Annotated[str, Field(max_length=80)] | None = None
    """What a node is called, or the beginning of its key (4 characters or more)."""
    nodes: Annotated[tuple[Digest, ...], Field(max_length=100)] = ()
    """Only versions by one of these keys."""
    round: Annotated[str, Field(max_length=80)] | None = None
    """Id of a round, its name, or a unique prefix of its id."""
    since: NonNegativeFloat | None = None
    """Made at this moment or later, in seconds since 1970."""
    until: NonNegativeFloat | None = None
    """Made before this moment."""
    text: Annotated[str, Field(max_length=200)] | None = None
    """Part of the message, which is the note of a contribution or the source of an import."""
    state: State | None = None


EVERY_VERSION = LogQuery()


class Entry(Record):
    """A version with what the registry knows about it."""

    number: int = 0
    """Where the next page of a log begins, as its `before`."""
    id: Digest
    version: Version
    state: State
    created: float
    message: str
    round: str | None
    work_id: Digest
    task_name: Name | None
    contributor: str | None
    """Name that the node gave itself in its last offer."""
    node: Digest | None
    aliases: tuple[str, ...] = ()
    """Aliases that point here, and tags."""


class LineageRow(Record):
    """One ancestor (or descendant) in a walk from a version: `depth` steps away, reached through `through`."""

    entry: Entry
    depth: int
    through: Digest | None
    coefficient: int | float | None


class Contribution(Record):
    """A version that is part of an average, through other averages too, and how much of it it is."""

    entry: Entry
    share: float
    """Of 1; mixes may have negative ones."""
    exact: str | None = None
    """The share as a fraction, such as `1/6`; None where it has too many digits to be read."""


class TagRecord(Record):
    """A name that means one version for ever, and who gave it."""

    name: Name
    version: Digest
    message: str = ""
    author: str = ""
    node: Digest
    at: float


class TakenBack(Record):
    """Why a version is retracted: who took it back, or one that it was made of, when and why."""

    version: Digest
    """What was taken back: the version itself, or a member of it."""
    message: str
    author: str = ""
    """How the signer is called."""
    node: Digest
    at: float
    replacement: Digest | None = None
    """The average that was made again from the members that remain."""


class DomainScore(Record):
    """A version's score on one domain, with the half-width of its 95 % interval over images."""

    domain: Name
    value: float
    margin: float
    images: int


class Ranked(Record):
    """A version in a ranking, with its score and the half-width of that score's 95 % interval over images."""

    entry: Entry
    value: float
    margin: float
    images: int
    image_size: int
    domains: tuple[DomainScore, ...] = ()
    """What the value is the mean of; empty for a ranking on one domain."""


class Ranking(Record):
    """The best versions for a task by what was counted of them, the best first; all on the same domains."""

    task: Name
    metric: Metric
    split: Split
    slice: Slice
    trial: int
    domains: tuple[Name, ...]
    """What every version in it was counted on."""
    versions: tuple[Ranked, ...]


class TensorDifference(Record):
    """How far one tensor moved from the first version to the second."""

    name: str
    elements: int
    buffer: bool
    distance: float | None
    """‖second − first‖ / ‖first‖; None where the first is zero and the second is not."""
    largest: float
    """The largest change of one element."""
    changed: float
    """Share of the elements that have another value."""


class PartDifference(Record):
    """How far one part moved, all its floating-point tensors together, and each of them."""

    part: Part
    same: bool = False
    """Whether both versions have the same file."""
    reason: str = ""
    """Why nothing is compared."""
    elements: int = 0
    distance: float | None = None
    largest: float = 0.0
    changed: float = 0.0
    tensors: tuple[TensorDifference, ...] = ()


class Gap(Record):
    """One metric of both versions, how far the second is ahead, and that difference's 95 % interval over images."""

    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


class CellDifference(Record):
    """Both versions on one cell, or (without a domain) their means over the domains that both were counted on."""

    task: Name
    domain: Name | None
    split: Split
    slice: Slice
    trial: int
    image_size: int
    images: tuple[int, int]
    """How many images each was counted on."""
    same_images: bool
    """Whether these are the same ones."""
    paired: bool
    """Whether it is known which of them both classify correctly: the accuracy's interval is narrower then."""
    accuracy: Gap
    balanced_accuracy: Gap


class Relation(Record):
    """The nearest version that both come from, and how many steps each is away from it."""

    ancestor: Entry | None
    steps: tuple[int, int]


class Difference(Record):
    """Two versions side by side."""

    first: Entry
    second: Entry
    relation: Relation
    parts: tuple[PartDifference, ...]
    evaluations: tuple[CellDifference, ...]


class Check(Record):
    """One thing that was looked at, at admission or by `verify`."""

    what: str
    ok: bool
    """False for what is wrong; what cannot be looked at is not wrong."""
    detail: str = ""
    checkable: bool = True
    """False where weights would be needed that `gc` has collected, or a record is by software of another release."""


class Details(Record):
    """Everything about one version."""

    entry: Entry
    receipt: Receipt | None
    admission: tuple[Check, ...]
    """What was checked before it was admitted."""
    evaluations: tuple[StoredEvaluation, ...]
    children: tuple[Digest, ...]
    """What was made from it directly; the first thousand by their ids."""
    tags: tuple[TagRecord, ...] = ()
    taken_back: TakenBack | None = None
    collected: float | None = None
    """When gc removed its weights, or some of them."""


class Verification(Record):
    """Checks of one version: its blobs' bytes, its id, its receipt's signature, and its recomputed average."""

    id: Digest
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.ok for check in self.checks)


class Portable(Record):
    """What leaves a registry with one version; the receipts that it names are fetched apart."""

    version: Version
    message: Annotated[str, Field(max_length=4000)] = ""
    """This and the next two of averages only: of other versions the receipt says it, signed."""
    round: Annotated[str, Field(max_length=80)] | None = None
    seconds: Annotated[float, Field(ge=0)] = 0.0
    retraction: Sealed | None = None
    """The signed change that took it back."""
    collected: Annotated[tuple[Digest, ...], Field(max_length=2)] = ()
    """Those of its weights that gc has collected."""
    evaluations: Annotated[tuple[Digest, ...], Field(max_length=10_000)] = ()
    """Receipts of the evaluations of its pair of parts, oldest first."""
    tags: Annotated[tuple[Sealed, ...], Field(max_length=1000)] = ()
    """The signed changes that named it."""


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


class RoundRecord(Record):
    """A round: its resolved settings as JSON text (opaque here), and its state."""

    id: Name
    name: Name
    spec: str
    state: RoundState
    reason: str = ""
    created: float
    changed: float


class Event(Record):
    """One line of the append-only log of what happened."""

    number: int
    at: float
    kind: str
    """`version`, `evaluation`, `rejected`, `duplicate`, `round`, `alias`, `offer` …; `plan` foretells how many
    questions a round will ask, and its subject is `answered/asked`.
    """
    round: str | None
    subject: str
    text: str


class AliasMove(Record):
    """One move of an alias: who pointed it where, from where, when and why."""

    number: int = 0
    """Its place among all moves."""
    name: Name
    version: Digest
    before: Digest | None = None
    undo: bool = False
    """Whether it took an earlier move back."""
    message: str = ""
    author: str = ""
    """How the signer is called."""
    node: Digest | None = None
    """The signer's key; None for moves by software that did not sign."""
    at: float


class Contributor(Record):
    """Somebody whose signed work was taken, under one key."""

    node: Digest
    name: Name | None
    """What the node called itself last; None for a key that never offered anything."""
    here: bool
    """Whether its offer stands now."""
    trainings: int = 0
    heads: int = 0
    imports: int = 0
    evaluations: int = 0
    """Counts and comparisons, which make no version."""
    duplicates: int = 0
    """Answers to questions that had one."""
    rejected: int = 0
    retracted: int = 0
    seconds: float = 0.0
    """Time spent on what was taken."""
    first: float
    last: float


class Naming(Record):
    """A name that means a version that was taken back."""

    name: Name
    version: Digest
    replacement: Digest | None = None
    """Where the name points now, if it moved; tags never do."""


class Usage(Record):
    """What a registry holds, and how much room it has."""

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
    """What gc takes, or would take, and what cannot be done any more after that."""

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
