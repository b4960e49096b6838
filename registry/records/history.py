"""Versions and what is known about them: entries of the log, details, lineage, contributions, names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from ratatouille.exchange.assignment import Split
from ratatouille.exchange.change import ReviewState
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import RuleName, Version
from ratatouille.record import Digest, Name, Record
from registry.records.checks import Check
from registry.records.reviews import ReviewRecord
from registry.records.work import Membership, State


class StoredEvaluation(Record):
    """A confusion matrix of a version, with where it was counted."""

    task: Digest
    task_name: Name
    fingerprint: Digest
    node: Digest
    trial: int
    image_size: int
    evaluation: Evaluation
    self_reported: Annotated[bool, Field(exclude_if=lambda marked: not marked)] = False
    """Whether the member who made the version counted this."""


class LogQuery(Record):
    """A query of the log of versions: it lists those that fit everything that is given."""

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


class RecipeResult(Record):
    """A recipe of a round that ended in a version, as the round's report says."""

    recipe: str
    round: str
    """The round's id."""
    round_name: str | None = None
    """None where this registry has no row of the round."""


class EntryScore(Record):
    """The score of a version on its own task: the mean over the domains that were counted, all images of a split."""

    metric: Name
    """That of the task."""
    value: float
    margin: float
    """Half-width of its 95 % interval over images."""
    split: Split
    """The first of test, all, validation and train that was counted; `all` is of domains that were held out."""
    domains: int
    images: int
    self_reported: Annotated[bool, Field(exclude_if=lambda marked: not marked)] = False
    """Whether all its counts come from the member who made the version."""


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
    name_shared: Annotated[bool, Field(exclude_if=lambda shared: not shared)] = False
    """Whether another key has that name too, so that the name alone does not say who it is."""
    node: Digest | None
    aliases: tuple[str, ...] = ()
    """Aliases that point here, and tags."""
    not_evaluated: bool = False
    """Whether a retraction moved an alias here, and the version was not counted since."""
    task_kind: Annotated[Literal["target", "auxiliary"] | None, Field(exclude_if=lambda kind: kind is None)] = None
    recipes: Annotated[tuple[RecipeResult, ...], Field(exclude_if=lambda found: not found)] = ()
    """Recipes of rounds that ended here, the first ones first: a few in lists, in `show` all. A version that no report
    names has none.
    """
    score: Annotated[EntryScore | None, Field(exclude_if=lambda score: score is None)] = None
    review: Annotated[ReviewState | None, Field(exclude_if=lambda review: review is None)] = None
    """Whether it may enter averages; None for a version that was not reviewed."""


class Submission(Record):
    """A signed receipt as the registry keeps it: what it answers, and what became of it."""

    receipt: Digest
    work_id: Digest
    kind: Literal["import", "probe", "fine_tune", "evaluate", "compare"]
    state: State
    node: Digest
    task: Digest | None
    task_name: Name | None
    version: Digest | None
    """What it made; None for counts."""
    closed: bool = False
    """Whether its signer has closed the question that it answers."""
    reason: Annotated[str, Field(exclude_if=lambda reason: not reason)] = ""
    """Why it was refused or taken back, or is not taken into averages."""
    review: Annotated[ReviewState | None, Field(exclude_if=lambda review: review is None)] = None
    """Whether the version that it made may enter averages; None for one that was not reviewed."""
    created: float


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
    untrained: bool = False
    """Whether it is a training that kept step 0: its weights are those that it started from."""


class TagRecord(Record):
    """A name that means one version for ever, and who gave it."""

    name: Name
    version: Digest
    message: str = ""
    author: str = ""
    node: Digest
    at: float


class TakenBack(Record):
    """The retraction of a version: who took it back, or one that it was made of, when and why."""

    version: Digest
    """What was taken back: the version itself, or a member of it."""
    message: str
    author: str = ""
    """How the signer is called."""
    node: Digest
    at: float
    replacement: Digest | None = None
    """The average that was made again from the members that remain."""


class Details(Record):
    """Everything about one version."""

    entry: Entry
    receipt: Receipt | None
    admission: tuple[Check, ...] = ()
    """What was checked before it was admitted."""
    evaluations: tuple[StoredEvaluation, ...]
    children: tuple[Digest, ...]
    """What was made from it directly; the first thousand by their ids."""
    tags: tuple[TagRecord, ...] = ()
    taken_back: TakenBack | None = None
    collected: float | None = None
    """When gc removed its weights, or some of them."""
    review: Annotated[ReviewRecord | None, Field(exclude_if=lambda review: review is None)] = None
    """The standing review; None for a version that was not reviewed."""


class Portable(Record):
    """The records that leave a registry with one version; the receipts that it names are fetched apart."""

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
    reviews: Annotated[tuple[Sealed, ...], Field(max_length=100, exclude_if=lambda reviews: not reviews)] = ()
    """Its signed reviews, oldest first; of very many the latest."""


class AliasMove(Record):
    """One move of an alias: who pointed it where, from where, when and why."""

    number: int = 0
    """Its place among all moves."""
    name: Name
    version: Digest
    before: Digest | None = None
    undo: bool = False
    """Whether it took an earlier move back."""
    not_evaluated: bool = False
    """Whether a retraction moved it, to a version that was not counted yet."""
    message: str = ""
    author: str = ""
    """How the signer is called."""
    node: Digest | None = None
    """The signer's key; None for moves by software that did not sign."""
    at: float


class Contributor(Record):
    """A contributor: a member with all its keys, or a key of nobody known, whose signed work came, with its counts."""

    node: Digest
    """The member's id, or the key."""
    name: Name | None
    """The member's; what the node called itself last; None for a key that never offered anything."""
    member: Annotated[Membership | None, Field(exclude_if=lambda member: member is None)] = None
    """Who it is, with role and state; None for a key of nobody known."""
    keys: Annotated[tuple[Digest, ...], Field(exclude_if=lambda keys: not keys)] = ()
    """Of a member: the keys that signed this."""
    here: bool
    """Whether an offer of theirs stands now."""
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
