"""JSON documents of the registry's commands, where `--json` prints more than one record."""

from __future__ import annotations

from pydantic import Field

from ratatouille.cli.documents import Printed, extended
from ratatouille.exchange.log_head import LogHead
from ratatouille.exchange.signing import Sealed
from ratatouille.record import Digest, Name
from ratatouille.tasks.task import Task
from registry import records
from registry.exports.backup.folder import Manifest
from registry.exports.bundles.archive import BundleManifest
from registry.kept_heads import KeptHead
from registry.presentation.scores import ClassLines, ScoreLine
from registry.records import (
    AliasMove,
    Contribution,
    Credit,
    Details,
    Entry,
    Finding,
    InvitationRecord,
    LineageRow,
    MemberRecord,
    Naming,
    Obligation,
    Retraction,
    Revocation,
    Stage,
    Submission,
    TagRecord,
    Verdict,
    Verification,
    WitnessRecord,
)


class Log(Printed):
    """Versions, the latest first."""

    versions: tuple[Entry, ...]
    next: int | None
    """`--before` this number goes on; None where the list has ended."""


class Moved(Printed):
    """A release."""

    alias: Name
    before: Digest | None
    """Where it pointed."""
    version: Digest
    """Where it points now."""


class Moves(Printed):
    """Where an alias pointed, the latest move first, all of them."""

    moves: tuple[AliasMove, ...]


Released = Moved | Moves


class Tags(Printed):
    """All tags, by name."""

    tags: tuple[TagRecord, ...]


Tagged = TagRecord | Tags


class Retractions(Printed):
    """What was taken back, the latest first, all of it."""

    retractions: tuple[Retraction, ...]


Retracted = extended(Retraction, left_behind=tuple[Naming, ...])


class MayReturn(Printed):
    """A receipt that was taken back and may come again."""

    receipt: Digest
    may_return: bool


Retract = Retracted | Retractions | MayReturn


class Invited(Printed):
    """An invitation, which is printed this once."""

    line: str
    """What the invited person needs; it contains the secret."""
    invitation: Digest
    """The id by which the registry knows it."""
    address: str
    authority: Digest | None
    """The pin: SHA-256 of the certificate of the authority that signed the registry's; None for a public one."""
    expires: float


class EveryMember(Printed):
    """All members, by name."""

    members: tuple[MemberRecord, ...]


class Invitations(Printed):
    """Invitations, the latest first."""

    invitations: tuple[InvitationRecord, ...]


MembersList = EveryMember | Invitations


class CreditAsked(Printed):
    """Comparisons for the credit of an average that are asked of nodes and have no answer yet."""

    owed: tuple[Obligation, ...]


CreditShown = Credit | CreditAsked
"""With `--ask` what is open."""


class Rotated(Printed):
    """A new key in the place of another."""

    key: Digest
    replaced: Digest
    registries: tuple[str, ...]
    """Where it was replaced."""
    kept: str
    """The file with the old key, which is refused from now on."""


Revoked = extended(Revocation, retracted=int) | InvitationRecord


class StillOffered(Printed):
    """Data that a node offers on, of a task that something was withdrawn for."""

    node: str
    key: Digest
    task: Name
    images: int


Withdrawn = extended(
    Retraction,
    left_behind=tuple[Naming, ...],
    question=Digest,
    closed=bool,
    still_offered=tuple[StillOffered, ...],
)


class WithdrawnContribution(Printed):
    """One contribution that was withdrawn; counts have no version and no retraction."""

    kind: str
    receipt: Digest
    question: Digest
    closed: bool
    version: Digest | None
    retraction: Retracted | None  # type: ignore[valid-type]


class WithdrawnContributions(Printed):
    """Several contributions, or counts."""

    withdrawn: tuple[WithdrawnContribution, ...]
    still_offered: tuple[StillOffered, ...]
    dry_run: bool


class Reopened(Printed):
    """Questions that are open again for the keys of this machine."""

    reopened: tuple[Digest, ...]
    dry_run: bool


class Submissions(Printed):
    """What the keys of this machine gave, the latest first, all of it."""

    submissions: tuple[Submission, ...]


Withdraw = Withdrawn | WithdrawnContributions | Reopened | Submissions


class ContributorTotal(Printed):
    """How much of a version is one contributor's."""

    contributor: str
    share: float
    versions: int


class Contributions(Printed):
    """Whose work a version is the average of."""

    contributions: tuple[Contribution, ...]
    contributors: tuple[ContributorTotal, ...]


Lineage = tuple[LineageRow, ...] | Contributions


class TaskAdded(Printed):
    """A task that is defined."""

    name: Name
    digest: Digest
    new: bool


DefinedTask = extended(Task, digest=Digest)


class Tasks(Printed):
    """All tasks, by name."""

    tasks: tuple[DefinedTask, ...]  # type: ignore[valid-type]


class Shown(Details):
    """A version, with its scores, and with `--classes` how each class is recognised."""

    scores: tuple[ScoreLine, ...]
    classes: tuple[ClassLines, ...] = Field(default=(), exclude_if=lambda classes: not classes)


VerifiedVersion = extended(Verification, ok=bool, verdict=Verdict)


class Audited(Printed):
    """What a check of everything found."""

    ok: bool
    """False when something is wrong; what is not checkable is not wrong."""
    verdict: Verdict
    looked: dict[Stage, int]
    bytes: int
    findings: tuple[Finding, ...]


Verified = tuple[VerifiedVersion, ...] | Audited  # type: ignore[valid-type]
ShownHead = extended(
    LogHead,
    key=Digest,
    sealed=Sealed,
    problem=str | None,
    kept=KeptHead | None,
    witnesses=tuple[WitnessRecord, ...],
)
AcceptedHead = extended(LogHead, replaced=LogHead | None)
Usage = extended(records.Usage, room=int)
BackedUp = extended(Manifest, copied=int)
Restored = extended(Manifest, ok=bool, findings=tuple[Finding, ...])
Exported = extended(BundleManifest, id=Digest)


class Imported(Printed):
    """What a file of versions brought."""

    versions: int
    known: int
    evaluations: int
    tags: int
    unproved: tuple[str, ...]


class Pushed(Printed):
    """A checkpoint that was entered, or with `--dry-run` would be."""

    file: str
    start: Digest
    """The version that it was trained from."""
    task: Name | None
    classifier: str | None
    permuted: bool | None
    featurizer: Digest
    head: Digest | None
    bytes: int
    notes: tuple[str, ...]
    version: Digest | None = Field(default=None, exclude_if=lambda version: version is None)
    new: bool | None = Field(default=None, exclude_if=lambda new: new is None)
