"""The tables of the registry's database, typed; nothing here opens it.

Records are stored as their canonical JSON, which their digests are made of; the other columns are copies for searching.
Ids are hexadecimal digests, times are seconds since 1970. `migrations` brings a database to this state, and a test
compares the two. The same schema serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Number = BigInteger().with_variant(Integer, "sqlite")
"""A key that counts up by itself; SQLite does so for its own integer type only."""

Id = String(64)


class Base(DeclarativeBase):
    """Base of all tables; constraints have names, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


metadata = Base.metadata


class SettingRow(Base):
    """A value that the maintainers set, as JSON text; `registry.settings` knows the names."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class ArchitectureRow(Base):
    """An architecture by its digest."""

    __tablename__ = "architectures"
    digest: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    record: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(Float)


class TaskRow(Base):
    """A task; its name means one definition for ever."""

    __tablename__ = "tasks"
    digest: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    record: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(Float)


class BlobRow(Base):
    """Weights of one part that belong to an admitted version; the row is written after the file."""

    __tablename__ = "blobs"
    digest: Mapped[str] = mapped_column(Id, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    part: Mapped[str] = mapped_column(String(20))
    created: Mapped[float] = mapped_column(Float)
    collected: Mapped[float | None] = mapped_column(Float, index=True)
    """When `gc` took the file away; the history keeps the row."""


class UploadRow(Base):
    """A claim on a file that a push or an average needs: its space is promised, and `gc` leaves it alone (`claims`).

    The file's own length says how much of it has come.
    """

    __tablename__ = "uploads"
    digest: Mapped[str] = mapped_column(Id, primary_key=True)
    claimant: Mapped[str] = mapped_column(Id, primary_key=True)
    """Who needs it: the receipt of a contribution, or a digest for a combination and the inbox where it is made."""
    size: Mapped[int] = mapped_column(BigInteger)
    changed: Mapped[float] = mapped_column(Float)


class TransferRow(Base):
    """A push of weights that was let in, by the digest of its receipt: what it takes of its node's quota."""

    __tablename__ = "transfers"
    receipt: Mapped[str] = mapped_column(Id, primary_key=True)
    node: Mapped[str] = mapped_column(Id)
    bytes: Mapped[int] = mapped_column(BigInteger)
    begun: Mapped[float] = mapped_column(Float)
    """When it was let in first; it may break off and go on."""
    changed: Mapped[float] = mapped_column(Float)
    ended: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (Index(None, "node", "begun"),)


class ContributionRow(Base):
    """A signed receipt that was pushed, with its state. At most one is the answer to a question."""

    __tablename__ = "contributions"
    receipt: Mapped[str] = mapped_column(Id, primary_key=True)
    work_id: Mapped[str] = mapped_column(Id, index=True)
    kind: Mapped[str] = mapped_column(String(20))
    node: Mapped[str] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    sealed: Mapped[str] = mapped_column(Text)
    task: Mapped[str | None] = mapped_column(ForeignKey("tasks.digest"))
    featurizer: Mapped[str | None] = mapped_column(Id)
    head: Mapped[str | None] = mapped_column(Id)
    seconds: Mapped[float] = mapped_column(Float)
    overhead: Mapped[float] = mapped_column(Float)
    created: Mapped[float] = mapped_column(Float)

    __table_args__ = (
        Index(None, "node", "created"),
        Index(None, "kind", "task"),
        Index(
            "uq_contributions_answer",
            "work_id",
            unique=True,
            sqlite_where=text("state = 'admitted'"),
            postgresql_where=text("state = 'admitted'"),
        ),
    )


class VersionRow(Base):
    """An entry of the history; `number` is its place in it."""

    __tablename__ = "versions"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    record: Mapped[str] = mapped_column(Text)
    featurizer: Mapped[str] = mapped_column(ForeignKey("blobs.digest"))
    head: Mapped[str | None] = mapped_column(ForeignKey("blobs.digest"), index=True)
    architecture: Mapped[str] = mapped_column(ForeignKey("architectures.digest"))
    task: Mapped[str | None] = mapped_column(ForeignKey("tasks.digest"))
    rule: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    work_id: Mapped[str] = mapped_column(Id, index=True)
    receipt: Mapped[str | None] = mapped_column(ForeignKey("contributions.receipt"), index=True)
    node: Mapped[str | None] = mapped_column(Id)
    """Who signed the receipt; a copy, since people ask for it."""
    round: Mapped[str | None] = mapped_column(String(80))
    message: Mapped[str] = mapped_column(Text, default="")
    seconds: Mapped[float] = mapped_column(Float)
    created: Mapped[float] = mapped_column(Float)
    retraction: Mapped[int | None] = mapped_column(ForeignKey("changes.number"), index=True)
    """The change that took it back."""
    replacement: Mapped[str | None] = mapped_column(Id)
    """Of an average that lost members: the version that was republished in its place."""

    # each list of the log is read from its end, page by page
    __table_args__ = (
        Index(None, "task", "created", "number"),
        Index(None, "rule", "created", "number"),
        Index(None, "round", "created", "number"),
        Index(None, "node", "created", "number"),
        Index(
            "ix_versions_taken_back",
            "state",
            "created",
            "number",
            sqlite_where=text("state <> 'admitted'"),
            postgresql_where=text("state <> 'admitted'"),
        ),
        # with the message, so that looking for words does not read the records
        Index(None, "created", "number", "message"),
        Index(None, "featurizer", "head"),
    )


class ParentRow(Base):
    """One edge of the lineage, in the order in which the child names its parents."""

    __tablename__ = "parents"
    child: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    parent: Mapped[str] = mapped_column(ForeignKey("versions.id"))

    __table_args__ = (Index(None, "parent", "child"),)


class EvaluationRow(Base):
    """A confusion matrix of a pair of parts; every version with these parts has it."""

    __tablename__ = "evaluations"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    receipt: Mapped[str] = mapped_column(ForeignKey("contributions.receipt"), index=True)
    featurizer: Mapped[str] = mapped_column(Id)
    head: Mapped[str] = mapped_column(Id)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.digest"))
    fingerprint: Mapped[str] = mapped_column(Id)
    trial: Mapped[int] = mapped_column(Integer)
    image_size: Mapped[int] = mapped_column(Integer)
    domain: Mapped[str] = mapped_column(String(80))
    split: Mapped[str] = mapped_column(String(20))
    slice: Mapped[str] = mapped_column(String(20))
    confusion: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index(None, "featurizer", "head"),
        UniqueConstraint("receipt", "domain", "split", "slice"),
    )


_RANKED = ("task", "trial", "split", "slice", "domain", "domains", "counted")


class ScoreRow(Base):
    """What the confusion matrices of a pair of parts add up to, for ranking; made from `evaluations`.

    Counts are summed over holdings. `domain` is empty in the row that is the mean over the domains that were counted.
    """

    __tablename__ = "scores"
    featurizer: Mapped[str] = mapped_column(Id, primary_key=True)
    head: Mapped[str] = mapped_column(Id, primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.digest"), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    image_size: Mapped[int] = mapped_column(Integer, primary_key=True)
    split: Mapped[str] = mapped_column(String(20), primary_key=True)
    slice: Mapped[str] = mapped_column(String(20), primary_key=True)
    domain: Mapped[str] = mapped_column(String(80), primary_key=True)
    domains: Mapped[int] = mapped_column(Integer)
    counted: Mapped[str] = mapped_column(String(16))
    """Short name of the set of domains that this is about: means over other sets do not compare."""
    images: Mapped[int] = mapped_column(BigInteger)
    correct: Mapped[int] = mapped_column(BigInteger)
    accuracy: Mapped[float] = mapped_column(Float)
    """The float nearest to the exact share, as `balanced_accuracy` is: equal scores are equal here too, and no sum of
    floats decides who is first.
    """
    accuracy_margin: Mapped[float] = mapped_column(Float)
    balanced_accuracy: Mapped[float] = mapped_column(Float)
    balanced_accuracy_margin: Mapped[float] = mapped_column(Float)

    __table_args__ = (
        Index("ix_scores_accuracy", *_RANKED, "accuracy"),
        Index("ix_scores_balanced_accuracy", *_RANKED, "balanced_accuracy"),
    )


class OfferRow(Base):
    """A node's last offer. It stands until `expires`; the name outlives it."""

    __tablename__ = "offers"
    node: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    sealed: Mapped[str] = mapped_column(Text)
    issued: Mapped[float] = mapped_column(Float)
    expires: Mapped[float] = mapped_column(Float, index=True)
    peer: Mapped[str] = mapped_column(String(80), server_default="")
    """The caller that brought it (`registry.caller`): offers of one peer fill half of the room."""


class HoldingRow(Base):
    """A holding that a node offers, or offered lately; it entitles the node to leases and answers on that data."""

    __tablename__ = "holdings"
    node: Mapped[str] = mapped_column(Id, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(Id, primary_key=True, index=True)
    owner: Mapped[str] = mapped_column(Id)
    """The holding's public key, the same in all rows of a fingerprint."""
    task: Mapped[str] = mapped_column(Id)
    record: Mapped[str] = mapped_column(Text)
    until: Mapped[float] = mapped_column(Float)
    """When the last offer that names it ends, or ended."""


class LeaseRow(Base):
    """A node's lease on a question. Expired ones stay: they entitle to a late push while no other node is at work."""

    __tablename__ = "leases"
    work_id: Mapped[str] = mapped_column(Id, primary_key=True)
    node: Mapped[str] = mapped_column(Id, primary_key=True)
    expires: Mapped[float] = mapped_column(Float, index=True)
    record: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str | None] = mapped_column(Id)
    """The holding that the lease names; None in rows of release 0.1."""
    issued: Mapped[float] = mapped_column(Float, server_default=text("0"))
    """When the node signed it last, by the node's clock: what was signed earlier does nothing."""
    released: Mapped[float | None] = mapped_column(Float)
    """When the node gave it back; it entitles to nothing then."""

    __table_args__ = (Index(None, "node", "expires"),)


class RoundRow(Base):
    """A round and its state."""

    __tablename__ = "rounds"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(80), unique=True)
    name: Mapped[str] = mapped_column(String(80), index=True)
    spec: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[float] = mapped_column(Float)
    changed: Mapped[float] = mapped_column(Float)


class EventRow(Base):
    """One line of the append-only log."""

    __tablename__ = "events"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    kind: Mapped[str] = mapped_column(String(80))
    round: Mapped[str | None] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(200), index=True)
    text: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "round", "number"),)


class LeafRow(Base):
    """A leaf of the Merkle tree over the log: the entry of one event (`registry.leaves`)."""

    __tablename__ = "leaves"
    position: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    """Counts from 0, without gaps."""
    event: Mapped[int] = mapped_column(ForeignKey("events.number"), unique=True)
    about: Mapped[str | None] = mapped_column(Id, index=True)
    """The digest of what the event is about: a receipt, a change, or a round's settings."""
    nodes: Mapped[str] = mapped_column(Text)
    """The hashes of the perfect subtrees that the leaf completes, itself first, in hexadecimal."""


class ChangeRow(Base):
    """One signed change of what people see: a move of an alias, a tag, a retraction. Never altered, never removed."""

    __tablename__ = "changes"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    digest: Mapped[str] = mapped_column(Id, unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(80), index=True)
    node: Mapped[str] = mapped_column(Id)
    sealed: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    """What a retraction did, as it was answered."""
    at: Mapped[float] = mapped_column(Float)


class ReviewRow(Base):
    """Whether a version may enter averages, as its reviews say; a version without a row was not reviewed."""

    __tablename__ = "reviews"
    version: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    evidence: Mapped[str] = mapped_column(Text)
    """Canonical JSON."""
    by: Mapped[str] = mapped_column(String(20))
    change: Mapped[int] = mapped_column(ForeignKey("changes.number"), index=True)
    """The signed change that says so."""
    at: Mapped[float] = mapped_column(Float)

    __table_args__ = (Index(None, "state", "change"),)


class InspectionRow(Base):
    """The answer to an inspection, so that it is computed once."""

    __tablename__ = "inspections"
    work_id: Mapped[str] = mapped_column(Id, primary_key=True)
    record: Mapped[str] = mapped_column(Text)
    """The question."""
    answer: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(Float)


class ObligationRow(Base):
    """An evaluation that is owed of a version; open while the version stands and the question has no answer."""

    __tablename__ = "obligations"
    work_id: Mapped[str] = mapped_column(Id, primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True, index=True)
    """Several versions may have the same weights, and so the same questions."""
    kind: Mapped[str] = mapped_column(String(20), server_default="evaluate")
    """`evaluate`, or `credit` for a comparison with the average of the others."""
    makers: Mapped[str] = mapped_column(Text, server_default="")
    """Of a `credit`: keys of those whom it counts the average without, with spaces between them."""
    record: Mapped[str] = mapped_column(Text)
    """The order."""
    created: Mapped[float] = mapped_column(Float)


class TagRow(Base):
    """A name that means one version for ever."""

    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("versions.id"), index=True)
    change: Mapped[int] = mapped_column(ForeignKey("changes.number"))


class AliasRow(Base):
    """One move of an alias; the last one says where it points, the others where it pointed before."""

    __tablename__ = "aliases"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(80))
    version: Mapped[str] = mapped_column(ForeignKey("versions.id"), index=True)
    before: Mapped[str | None] = mapped_column(Id)
    undo: Mapped[bool] = mapped_column(Boolean, server_default=false())
    message: Mapped[str] = mapped_column(Text, default="")
    change: Mapped[int | None] = mapped_column(ForeignKey("changes.number"))
    """The signed change; None for moves by version 0.1, which did not sign."""
    at: Mapped[float] = mapped_column(Float)

    __table_args__ = (Index(None, "name", "number"),)


class MemberRow(Base):
    """A person or an organisation, with what it may do. Rows stay for ever, since the history names them."""

    __tablename__ = "members"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Its first device key."""
    name: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    invitation: Mapped[str | None] = mapped_column(Id)
    """By which it came; None for the owner of the registry's machine."""
    created: Mapped[float] = mapped_column(Float)
    changed: Mapped[float] = mapped_column(Float)


class KeyRow(Base):
    """A key of a member. One that was revoked or replaced stays: it is refused, and its work is still the member's."""

    __tablename__ = "keys"
    key: Mapped[str] = mapped_column(Id, primary_key=True)
    member: Mapped[str] = mapped_column(ForeignKey("members.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(80))
    device: Mapped[str | None] = mapped_column(Id)
    """Of a node's key: the device key that entered it."""
    flower: Mapped[str | None] = mapped_column(Text)
    """Of a node's key: the public key that the node shows to Flower."""
    ended_flower: Mapped[str | None] = mapped_column(Text, index=True)
    """Of a node's key: the last public key that it may not show to Flower any more."""
    replaces: Mapped[str | None] = mapped_column(Id)
    """Of a device key: the one in whose place it came."""
    created: Mapped[float] = mapped_column(Float)
    changed: Mapped[float] = mapped_column(Float)


class InvitationRow(Base):
    """An invitation, by the SHA-256 of its secret."""

    __tablename__ = "invitations"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    name: Mapped[str | None] = mapped_column(String(80))
    member: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    """Whose device it lets in; None for a new member."""
    uses: Mapped[int] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer)
    approve: Mapped[bool] = mapped_column(Boolean)
    expires: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(20))
    maker: Mapped[str] = mapped_column(Id)
    """Who signed it."""
    created: Mapped[float] = mapped_column(Float)


class EnrolmentRow(Base):
    """One use of an invitation."""

    __tablename__ = "enrolments"
    invitation: Mapped[str] = mapped_column(ForeignKey("invitations.id"), primary_key=True)
    key: Mapped[str] = mapped_column(ForeignKey("keys.key"), primary_key=True)
    at: Mapped[float] = mapped_column(Float)


class SessionRow(Base):
    """A session that is open: its token's SHA-256, and the key that opened it."""

    __tablename__ = "sessions"
    token: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(Id, index=True)
    expires: Mapped[float] = mapped_column(Float, index=True)
