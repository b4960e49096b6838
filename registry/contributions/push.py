"""One contribution on its way in: its files go through the inbox into the store, then all its rows are written at once.

No lock is held while bytes move, and `claims` says why that is safe. A contribution that is wrong is kept as rejected,
with the reason; after an error that passes (no space, a broken connection, no answer of the store) it may come again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial

from sqlalchemy import Connection

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.signing import Sealed
from ratatouille.weights.canonical import Array, open_part
from ratatouille.weights.intake import Intake
from registry.blobs.access import Blobs
from registry.blobs.inbox import IncomingFile
from registry.blobs.store import Block, Lost
from registry.contributions.entitlements import let_in
from registry.contributions.examine import Examined, WantedPart
from registry.contributions.ledger import admit, enter_blob, keep_duplicate, keep_rejected
from registry.database import Database
from registry.ledger.answers import answer, brings_back, contributed
from registry.ledger.claims import Claims, free_room, live, refuse_removed
from registry.ledger.members.standing import refuse_revoked
from registry.ledger.signed_changes import refuse_closed
from registry.records import Result


class Push:
    """One contribution on its way in; `close` in any case, and what has come is kept unless it was bad."""

    def __init__(self, database: Database, blobs: Blobs, sealed: Sealed, examined: Examined) -> None:
        self._database = database
        self._blobs = blobs
        self._sealed = sealed
        self._examined = examined
        self._claims = Claims(blobs.inbox, examined.receipt.digest)
        self._stack = ExitStack()
        self._open = True
        """Whether it was neither admitted nor rejected."""
        self.receiving: dict[str, IncomingFile] = {}
        """The files that must come, by digest; each knows how much of it is here."""
        self.wanted = {one.digest: one for one in examined.wanted}

    def __enter__(self) -> Push:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def open(self) -> None:
        """Claim all weights that count, lock those that must come, and check what is here of them."""
        if not self.wanted:
            return
        with self._database.read() as connection:
            missing = self.wanted.keys() - live(connection, self.wanted).keys()
        self._receive(missing)
        lost = {digest for digest in self.wanted.keys() - missing if not self._held(digest)}
        if lost:
            self._receive(lost, owned=True)
        try:
            for digest in self.wanted.keys() - self.receiving.keys():
                check_present(self._blobs, self.wanted[digest])
        except Refusal as refusal:
            self.reject(str(refusal))
            raise
        for digest, receiving in self.receiving.items():
            check = partial(gate, self._blobs, self.wanted[digest])
            if receiving.resume(check) < self.wanted[digest].size and self._held(digest):
                # a process stored it and ended before it wrote the row: it is checked again
                with closing(self._blobs.stream(digest, receiving.received)) as blocks:
                    receiving.take_over(check, blocks)

    def write(self, digest: str, block: Block) -> None:
        """Take the next bytes of a file.

        Raises:
            Refusal: naming what is wrong with them; the contribution is rejected then.
        """
        try:
            self.receiving[digest].write(block)
        except Refusal as refusal:
            self.reject(str(refusal))
            raise

    def commit(self) -> Result:
        """Check that all is there, store the files, write the rows: from here on it is acknowledged.

        Raises:
            Refusal: when bytes are missing, do not hash to what was promised, or the question was closed meanwhile.
            Unreachable: when the store does not answer, or weights were removed meanwhile: to be pushed again.
        """
        try:
            for receiving in self.receiving.values():
                receiving.finish(sync=False)  # the store does
        except Refusal as refusal:
            if all(receiving.received == self.wanted[digest].size for digest, receiving in self.receiving.items()):
                self.reject(str(refusal))
            raise
        receipt = self._examined.receipt
        with self._database.read() as connection:
            known = answer(connection, receipt.work_id)
        if known is None or brings_back(receipt, known):
            for digest, receiving in self.receiving.items():
                self._blobs.place(receiving, digest)
        with self._database.write() as connection:
            refuse_revoked(connection, receipt.node)  # perhaps while the bytes came, as the next
            refuse_closed(connection, receipt.work_id, receipt.node)
            known = answer(connection, receipt.work_id)
            if known is not None and not brings_back(receipt, known):
                self._discard(connection)
                keep_duplicate(connection, self._sealed, receipt, known)
                return known
            self._claims.check(connection, self.wanted)
            for digest, one in self.wanted.items():  # also those that gc marked just before we claimed them
                enter_blob(connection, digest, one.part, one.size)
            if known is None:
                admit(connection, self._sealed, self._examined)
            else:
                keep_duplicate(connection, self._sealed, receipt, known)
            self._claims.release(connection)
            self._open = False
            return contributed(connection, receipt.work_id)

    def reject(self, reason: str) -> None:
        """Discard what has come, and keep the reason."""
        with self._database.write() as connection:
            self._discard(connection)
            keep_rejected(connection, self._sealed, self._examined.receipt, reason)

    def close(self) -> None:
        """Release the files, and the room that was promised for what has not come."""
        try:
            if self._open and self.receiving:  # before the files are free: the next push reserves space anew
                with suppress(Unreachable), self._database.write() as connection:
                    self._claims.forgo(connection)
        finally:
            self._stack.close()

    def _receive(self, digests: Collection[str], owned: bool = False) -> None:
        """Lock the files that must come, in one order everywhere, so that no two pushes wait for each other."""
        for digest in sorted(digests):
            self.receiving[digest] = self._stack.enter_context(self._blobs.inbox.receive(digest))
        with self._database.write() as connection:
            for digest in () if owned else live(connection, digests):  # it came while we waited for the lock
                self.receiving.pop(digest).discard()
            ancestors = [one.ancestor for one in self.wanted.values() if one.ancestor is not None and _compared(one)]
            coming = {digest: self.wanted[digest].size for digest in self.receiving}
            room = free_room(connection, self._blobs.inbox, coming)
            let_in(connection, self._examined.receipt, sum(coming.values()), room)
            self._claims.take(connection, dict.fromkeys([*self.wanted, *ancestors], 0) | coming)
            refuse_removed(connection, ancestors, "that this work started from")

    def _held(self, digest: str) -> bool:
        return self._blobs.holds(digest, self.wanted[digest].size)

    def _discard(self, connection: Connection) -> None:
        for receiving in self.receiving.values():
            receiving.discard()
        self._claims.release(connection)
        self._open = False


def gate(blobs: Blobs, one: WantedPart) -> Intake:
    """A check of the bytes of one part, for use while they arrive."""
    return Intake(one.tensors, one.digest, _ancestor(blobs, one))


def check_present(blobs: Blobs, one: WantedPart) -> None:
    """Check that weights which are here already fit this part too; they were checked as another one."""
    with _not_the_contributors_fault():
        path = blobs.local(one.digest)
    present, ancestor = open_part(path, one.tensors), _ancestor(blobs, one)
    for tensor in one.tensors:
        if ancestor is not None and tensor.buffer and ancestor[tensor.name].tobytes() != present[tensor.name].tobytes():
            raise Refusal(f"buffer {tensor.name} moved away from the start's; train with BatchNorm in eval mode")


def _ancestor(blobs: Blobs, one: WantedPart) -> Mapping[str, Array] | None:
    """The weights whose buffers a part must keep, if it has any."""
    if one.ancestor is None or not _compared(one):
        return None
    with _not_the_contributors_fault():
        return open_part(blobs.local(one.ancestor), one.tensors)


def _compared(one: WantedPart) -> bool:
    """Whether a part has buffers that may differ from its start's."""
    return one.ancestor not in (None, one.digest) and any(tensor.buffer for tensor in one.tensors)


@contextmanager
def _not_the_contributors_fault() -> Iterator[None]:
    """Weights that the registry has lost are no reason to reject: the push may come again when they are back."""
    try:
        yield
    except Lost as lost:
        raise Unreachable(str(lost)) from lost
