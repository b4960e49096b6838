"""The write side: how a signed receipt and its weights become a version. The push is the commit.

`Publisher.begin` says what is known already, or opens a `Push`: the files that must come and how much of each is here.
Bytes go through it into `receiving/`; `commit` moves them and writes all rows in one transaction. What is wrong with a
contribution is kept as its reason; what is wrong with the moment (no lease, no space, a broken line) is only said. Who
carries the bytes, in process or over gRPC, is for `local` and `service`; the rows are written by `ledger`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from sqlalchemy import Connection, delete, insert, select

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.weights.canonical import Array, open_part
from ratatouille.weights.intake import Intake
from registry.answers import answer
from registry.blobs import Blobs
from registry.chronicle import record_event
from registry.database import Database
from registry.examine import Examined, Wanted, examine
from registry.ledger import admit, enter_blob, keep_duplicate, write_contribution
from registry.membership import had_lease, holder
from registry.receiving import Receiving
from registry.records import Result
from registry.schema import BlobRow, ContributionRow, UploadRow
from registry.settings import read_settings

LARGEST_RECEIPT = 16 * 2**20
"""Characters; nearly all of them are counts, and a hundred matrices of a hundred classes have two million."""


class Publisher:
    """Takes contributions into one registry folder."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.blobs = blobs

    def begin(self, sealed: Sealed) -> Result | Push:
        """Look at a receipt: its answer, if it is known, or the conversation that takes its weights.

        Raises:
            Refusal: signature, lease, inputs, shapes, counts: what does not fit.
            Unreachable: when there is no room, or while another node is at work on the question.
        """
        if len(sealed.body) > LARGEST_RECEIPT:
            raise Refusal(f"the receipt has {len(sealed.body)} characters; this registry takes {LARGEST_RECEIPT}")
        receipt = unseal(sealed, Receipt)
        if receipt.node != sealed.node:
            raise Refusal(f"a receipt of node {receipt.node[:12]}… is signed by another key, {sealed.node[:12]}…")
        with self.database.read() as connection:
            known = answer(connection, receipt.work_id)
            if known is None:
                _check_lease(connection, receipt)
        if known is not None:
            return self._known(sealed, receipt, known)
        try:
            with self.database.read() as connection:
                examined = examine(connection, receipt)
        except Refusal as refusal:
            self.reject(sealed, receipt, str(refusal))
            raise
        push = Push(self, sealed, examined)
        try:
            push.open()
        except BaseException:
            push.close()
            raise
        return push

    def reject(self, sealed: Sealed, receipt: Receipt, reason: str) -> None:
        """Keep a refused contribution with its reason."""
        with self.database.write() as connection:
            row = ContributionRow.receipt == receipt.digest
            before = connection.execute(select(ContributionRow.state, ContributionRow.reason).where(row)).first()
            if before is not None and (before.state != "rejected" or before.reason == reason):
                return
            write_contribution(connection, sealed, receipt, "rejected", reason)
            text = f"{receipt.assignment.kind} by {receipt.node[:12]}… rejected: {reason}"
            record_event(connection, "rejected", receipt.work_id, text)

    def _known(self, sealed: Sealed, receipt: Receipt, known: Result) -> Result:
        """The first answer stands; another one by a node that was asked is kept as a duplicate."""
        with self.database.write() as connection:
            row = select(ContributionRow.state).where(ContributionRow.receipt == receipt.digest)
            if connection.execute(row).scalar() in ("admitted", "retracted", "duplicate"):
                return known
            if had_lease(connection, receipt.work_id, receipt.node):
                keep_duplicate(connection, sealed, receipt, known)
        return known

    def sweep(self) -> None:
        """Throw away what broken transfers left long ago, files that no version came to own, and dead promises."""
        with self.database.read() as connection:
            before = time.time() - read_settings(connection).stale_seconds
        self.blobs.sweep(before)
        with self.database.write() as connection:  # nobody places a file meanwhile
            owned = set(connection.execute(select(BlobRow.digest)).scalars())
            self.blobs.sweep_complete(owned, before)
            for digest in connection.execute(select(UploadRow.digest)).scalars().all():
                if not self.blobs.partial(digest).exists():
                    connection.execute(delete(UploadRow).where(UploadRow.digest == digest))


class Push:
    """One contribution on its way in; `close` in any case, and what has come is kept unless it was bad."""

    def __init__(self, publisher: Publisher, sealed: Sealed, examined: Examined) -> None:
        self._publisher = publisher
        self._blobs = publisher.blobs
        self._sealed = sealed
        self._examined = examined
        self._stack = ExitStack()
        self.receiving: dict[str, Receiving] = {}
        """The files that must come, by digest; each knows how much of it is here."""
        self.wanted = {one.digest: one for one in examined.wanted}

    def __enter__(self) -> Push:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def open(self) -> None:
        """Lock the files that must come, promise them space, and check what is here of them."""
        with self._publisher.database.read() as connection:
            missing = sorted(digest for digest in self.wanted if not is_blob(connection, self._blobs, digest))
        for digest in missing:  # in one order everywhere, so that no two pushes wait for each other
            self.receiving[digest] = self._stack.enter_context(self._blobs.receive(digest))
        with self._publisher.database.write() as connection:
            for digest in missing:
                if is_blob(connection, self._blobs, digest):  # it came while we waited for the lock
                    self.receiving.pop(digest).discard()
                elif self._blobs.path(digest).exists():  # it died between file and row, and is checked again
                    self.receiving.pop(digest).close()
                    self._blobs.take_back(digest)
                    self.receiving[digest] = self._stack.enter_context(self._blobs.receive(digest))
            reserve(connection, self._blobs, {digest: self.wanted[digest].size for digest in self.receiving})
        try:
            for digest in self.wanted.keys() - self.receiving.keys():
                self._check_present(self.wanted[digest])
        except Refusal as refusal:
            self.reject(str(refusal))
            raise
        for digest, receiving in self.receiving.items():
            receiving.resume(partial(self._gate, self.wanted[digest]))

    def write(self, digest: str, block: bytes | memoryview) -> None:
        """Take the next bytes of a file.

        Raises:
            Refusal: naming what is wrong with them; the contribution is rejected then.
        """
        try:
            self.receiving[digest].write(block)
        except Unreachable:
            raise
        except Refusal as refusal:
            self.reject(str(refusal))
            raise

    def commit(self) -> Result:
        """Check that all is there, move the files, write the rows: from here on it is acknowledged.

        Raises:
            Refusal: when bytes are missing, or do not hash to what was promised.
        """
        try:
            for receiving in self.receiving.values():
                receiving.finish()
        except Unreachable:
            raise
        except Refusal as refusal:
            if all(receiving.received == self.wanted[digest].size for digest, receiving in self.receiving.items()):
                self.reject(str(refusal))
            raise
        receipt = self._examined.receipt
        with self._publisher.database.write() as connection:
            known = answer(connection, receipt.work_id)
            if known is not None:
                self._discard(connection)
                keep_duplicate(connection, self._sealed, receipt, known)
                return known
            for digest, receiving in self.receiving.items():
                self._blobs.place(receiving, digest)
                enter_blob(connection, digest, self.wanted[digest].part, self.wanted[digest].size)
            admit(connection, self._sealed, self._examined)
            result = answer(connection, receipt.work_id)
        assert result is not None
        return result

    def reject(self, reason: str) -> None:
        """Throw away what has come, and keep the reason."""
        with self._publisher.database.write() as connection:
            self._discard(connection)
        self._publisher.reject(self._sealed, self._examined.receipt, reason)

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def _discard(self, connection: Connection) -> None:
        for digest, receiving in self.receiving.items():
            receiving.discard()
            connection.execute(delete(UploadRow).where(UploadRow.digest == digest))

    def _ancestor(self, one: Wanted) -> Mapping[str, Array] | None:
        return None if one.ancestor is None else open_part(self._blobs.path(one.ancestor), one.tensors)

    def _gate(self, one: Wanted) -> Intake:
        return Intake(one.tensors, one.digest, self._ancestor(one))

    def _check_present(self, one: Wanted) -> None:
        """Weights that are here already were checked as some part; see that they fit this one too."""
        present = open_part(self._blobs.path(one.digest), one.tensors)
        ancestor = self._ancestor(one)
        for tensor in one.tensors:
            if (
                ancestor is not None
                and tensor.buffer
                and ancestor[tensor.name].tobytes() != present[tensor.name].tobytes()
            ):
                raise Refusal(f"buffer {tensor.name} moved away from the start's; train with BatchNorm in eval mode")


def reserve(connection: Connection, blobs: Blobs, wanted: Mapping[str, int]) -> None:
    """Promise space to files on their way in.

    Raises:
        Unreachable: when they do not fit beside what is promised to others and the reserve.
    """
    settings = read_settings(connection)
    others = connection.execute(select(UploadRow.digest, UploadRow.size)).all()
    promised = sum(max(0, row.size - blobs.arrived_bytes(row.digest)) for row in others if row.digest not in wanted)
    missing = sum(max(0, size - blobs.arrived_bytes(digest)) for digest, size in wanted.items())
    free = blobs.free_bytes() - settings.reserve_bytes - promised
    if missing > free:
        raise Unreachable(
            f"the registry has no room for {missing} bytes (free beside its reserve: {max(0, free)}); "
            "its maintainers must make some"
        )
    now = time.time()
    connection.execute(delete(UploadRow).where(UploadRow.digest.in_(wanted)))
    if wanted:
        rows = [{"digest": digest, "claimant": digest, "size": size, "changed": now} for digest, size in wanted.items()]
        connection.execute(insert(UploadRow), rows)


def is_blob(connection: Connection, blobs: Blobs, digest: str) -> bool:
    """Whether these weights belong to a version, and are here."""
    row = connection.execute(select(BlobRow.digest).where(BlobRow.digest == digest)).first()
    return row is not None and blobs.path(digest).exists()


def _check_lease(connection: Connection, receipt: Receipt) -> None:
    if isinstance(receipt.assignment, Import):
        return
    at_work = holder(connection, receipt.work_id, time.time())
    if at_work not in (None, receipt.node):
        # to be tried again, not refused: who is late would throw away what may yet become the answer
        raise Unreachable(
            f"node {str(at_work)[:12]}… is at work on this assignment; push again when its lease has ended"
        )
    if not had_lease(connection, receipt.work_id, receipt.node):
        raise Refusal("no lease on this assignment was taken by this node; take it before the work begins")
