"""Records about the log's heads: proofs of consistency and of inclusion, and witnesses."""

from __future__ import annotations

from ratatouille.exchange.signing import Sealed
from ratatouille.record import Digest, Name, Record
from registry.records.work import Event


class HeadProof(Record):
    """The present head of a log."""

    head: Sealed
    """A `LogHead`, signed by the key of the log."""
    proof: tuple[Digest, ...] = ()
    """That the log begins with the entries that the caller's head had (RFC 9162, 2.1.4)."""
    rollback: Sealed | None = None
    """The last statement of an owner that the log was set back (a `Rollback`)."""


class Inclusion(Record):
    """The entry of a version, with the proof that a head has it."""

    position: int
    """Of the entry in the log, from 0."""
    event: Event
    about: Digest | None
    """The digest of what the event is about, which the entry holds too."""
    proof: tuple[Digest, ...]
    """The hashes beside the way from the entry to the head's hash (RFC 9162, 2.1.3)."""


class WitnessRecord(Record):
    """A head that a member has signed."""

    number: int
    """Place among all changes."""
    key: Digest
    member: Name | None
    """Whose key it is; None for a key of nobody who is known."""
    size: int
    root: Digest
    at: float
    sealed: Sealed
    """The `Witness` itself."""
