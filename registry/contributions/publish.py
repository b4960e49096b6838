"""Publishing: a signed receipt is checked against the database, and its push is opened.

`Publisher.begin` returns the answer that is known already, or opens a `push.Push`: the files that must come and how
much of each is here. The bytes come in process (`registry.services.weights`) or over gRPC
(`registry.transport.servicer`). A receipt that does not fit is kept with the reason; one that only comes at the wrong
moment (no lease, over a quota, a maker's count of its own version) is refused and not kept.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Compare, Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, unseal
from registry.blobs.access import Blobs
from registry.contributions.entitlements import (
    check_contributions,
    check_counts,
    end_transfer,
    held_by,
    refuse_own_review,
)
from registry.contributions.examine import Examined, examine
from registry.contributions.ledger import keep_duplicate, keep_rejected
from registry.contributions.membership import had_lease, not_offered, other_holder
from registry.contributions.push import Push
from registry.database import Database
from registry.ledger.answers import answer, brings_back
from registry.ledger.claims import unowned
from registry.ledger.members.standing import refuse_revoked
from registry.ledger.signed_changes import is_closed, refuse_closed, refuse_retracted
from registry.lists import chunks
from registry.records import Result
from registry.schema import ContributionRow
from registry.settings import read_settings

LARGEST_RECEIPT = 16 * 2**20
"""Characters; nearly all of them are counts, and a hundred matrices of a hundred classes have two million."""
SWEPT_AT_ONCE = 100
"""Blobs that are removed while the database is locked."""


def check_length(sealed: Sealed) -> None:
    """Check that a receipt is not of absurd length, before its signature is looked at.

    Raises:
        Refusal: when it is.
    """
    if len(sealed.body) > LARGEST_RECEIPT:
        raise Refusal(f"the receipt has {len(sealed.body)} characters; this registry takes {LARGEST_RECEIPT}")


class Publisher:
    """Takes contributions into one registry folder."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.blobs = blobs

    def begin(self, sealed: Sealed) -> Result | Push:
        """Examine a receipt; returns the answer, if it is known, or the opened push. One that does not fit is kept as
        rejected.

        Raises:
            Refusal: signature, lease, inputs, shapes, counts: what does not fit.
            Unreachable: when there is no room, the node is over a quota, or another one is at work on the question.
        """
        check_length(sealed)
        receipt = unseal(sealed, Receipt)
        if receipt.node != sealed.node:
            raise Refusal(f"a receipt of node {receipt.node[:12]}… is signed by another key, {sealed.node[:12]}…")
        with self.database.read() as connection:
            refuse_revoked(connection, receipt.node)
            refuse_retracted(connection, receipt.digest)
            known = answer(connection, receipt.work_id)
            if known is None:
                _check_entitled(connection, receipt)
                check_contributions(connection, receipt)
            wanted = known is None or brings_back(receipt, known)
            examined = _examined(connection, receipt) if wanted else None
        if examined is None:
            assert known is not None
            return self._known(sealed, receipt, known)
        if isinstance(examined, Refusal):
            with self.database.write() as connection:
                keep_rejected(connection, sealed, receipt, str(examined))
            raise examined
        push = Push(self.database, self.blobs, sealed, examined)
        try:
            push.open()
        except BaseException:
            push.close()
            raise
        return push

    def _known(self, sealed: Sealed, receipt: Receipt, known: Result) -> Result:
        """Keep a receipt as a duplicate, if its node holds the data; returns the first answer, which stands.

        Raises:
            Unreachable: when the node does not offer that data, so that its answer is kept nowhere.
        """
        work = receipt.assignment
        with self.database.write() as connection:
            row = select(ContributionRow.state).where(ContributionRow.receipt == receipt.digest)
            end_transfer(connection, receipt.digest)
            if connection.execute(row).scalar() in ("admitted", "duplicate"):
                return known
            if isinstance(work, Import) or is_closed(connection, receipt.work_id, receipt.node):
                return known
            if held_by(connection, receipt.node, work.fingerprint, work.task, time.time()) is None:
                raise not_offered(receipt.node, work.fingerprint)
            check_contributions(connection, receipt)
            keep_duplicate(connection, sealed, receipt, known)
        return known

    def sweep(self) -> None:
        """Remove what broken transfers left long ago, blobs that no version came to own, and dead claims.

        Raises:
            Unreachable: when the store does not answer.
        """
        with self.database.read() as connection:
            before = time.time() - read_settings(connection).stale_seconds
        self.blobs.inbox.sweep(before)
        old = [stored.digest for stored in self.blobs.store.stored() if stored.modified < before]
        for some in list(chunks(old, SWEPT_AT_ONCE)) or [[]]:  # dead claims end also where there are no files
            with self.database.write() as connection:
                for digest in unowned(connection, self.blobs.inbox, some):
                    self.blobs.remove(digest)


def _examined(connection: Connection, receipt: Receipt) -> Examined | Refusal:
    """What a receipt will become, or why nothing; the reason is kept in another transaction than this one."""
    try:
        examined = examine(connection, receipt)
        work = receipt.assignment
        if not isinstance(work, Import):
            holding = held_by(connection, receipt.node, work.fingerprint, work.task, time.time())
            if holding is None:  # whose answer is known, and came back for what gc removed
                raise not_offered(receipt.node, work.fingerprint)
            check_counts(receipt, holding)
        return examined
    except Refusal as refusal:
        return refusal


def _check_entitled(connection: Connection, receipt: Receipt) -> None:
    """Refuse a node that does not offer the data of the question, or has no lease on it."""
    refuse_closed(connection, receipt.work_id, receipt.node)
    work, now = receipt.assignment, time.time()
    if isinstance(work, Import):
        return
    if held_by(connection, receipt.node, work.fingerprint, work.task, now) is None:
        raise not_offered(receipt.node, work.fingerprint)
    if isinstance(work, Compare):
        refuse_own_review(connection, work.about, receipt.node, work.fingerprint, work.task, now)
    at_work = other_holder(connection, receipt.work_id, receipt.node, work.fingerprint, now)
    if at_work is not None:
        # to be tried again, not refused: a refused node throws away what may still become the answer
        raise Unreachable(f"node {at_work[:12]}… is at work on this assignment; push again when its lease has ended")
    if not had_lease(connection, receipt.work_id, receipt.node, work.fingerprint):
        raise Refusal("no lease on this assignment was taken by this node; take it before the work begins")
