"""Work: who offers what, who works on which question, what was answered, and what the registry averages itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Split
from ratatouille.exchange.change import Close, Reopen
from ratatouille.exchange.membership import Announcement, Lease, LeaseReturn, Offer, OfferWithdrawal
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.exchange.version import Combination
from ratatouille.record import Digest
from registry.lists import MOST_ROWS
from registry.records import Holder, Member, Obligation, Result, Submission
from registry.services.method import ImportedOnUse, Service, method
from registry.texts import LONGEST_NAME, LONGEST_NOTE, storable

if TYPE_CHECKING:
    from registry import averages, settings
    from registry.contributions import membership
    from registry.credit import questions
    from registry.history import contributors, member
    from registry.ledger import answers, obligations, revisions, signed_changes
    from registry.storage import Storage
else:
    averages = ImportedOnUse("registry.averages")
    settings = ImportedOnUse("registry.settings")
    membership = ImportedOnUse("registry.contributions.membership")
    questions = ImportedOnUse("registry.credit.questions")
    contributors = ImportedOnUse("registry.history.contributors")
    member = ImportedOnUse("registry.history.member")
    answers = ImportedOnUse("registry.ledger.answers")
    obligations = ImportedOnUse("registry.ledger.obligations")
    revisions = ImportedOnUse("registry.ledger.revisions")
    signed_changes = ImportedOnUse("registry.ledger.signed_changes")


class Work(Service):
    """Offers, leases, answers and averages."""

    def __init__(self, storage: Storage, coordinator: str | None = None) -> None:
        """`coordinator` is the key of the only coordinator that may announce itself; None: any may."""
        from registry.ledger.signed_changes import TOLERANCE

        super().__init__(storage)
        self._coordinator = coordinator
        self._last_announcement: Sealed | None = None
        self._announced = time.time() - TOLERANCE
        """When the last announcement was signed; at first a little before this was opened."""

    @method("owner")
    def announce(self, sealed: Sealed) -> None:
        """Set where nodes join the fleet, and the coordinator whose orders count (a sealed `Announcement`, sent when a
        coordinator starts and ends). A service that a coordinator started takes only that one's.

        Raises:
            Refusal: when another coordinator signed it.
            Unreachable: when it was signed before the last one.
        """
        from registry.ledger.signed_changes import check_follows

        announcement = unseal(sealed, Announcement)
        if self._coordinator not in (None, sealed.node):
            raise Refusal(f"this registry is coordinated by {str(self._coordinator)[:12]}…, not by {sealed.node[:12]}…")
        with self._write() as connection:
            if sealed != self._last_announcement:  # the same again: its acknowledgement was lost
                check_follows("announcement", sealed.node, announcement.issued, self._announced, time.time())
            settings.write_setting(connection, "fleet", announcement.fleet)
            settings.write_setting(connection, "coordinator", sealed.node)
            settings.write_setting(connection, "public", announcement.public)
            settings.write_setting(connection, "authority", announcement.authority)
        self._last_announcement, self._announced = sealed, announcement.issued

    @method("contributor", by_peer=True)
    def offer(self, sealed: Sealed) -> None:
        """Replace a node's offer (a sealed `Offer` with a proof for each holding)."""
        offer, proved = membership.read_offer(sealed)
        self._writing(membership.enter_offer, sealed, offer, proved)

    @method("contributor")
    def withdraw_offer(self, sealed: Sealed) -> None:
        """The node has left (a sealed `OfferWithdrawal`)."""
        withdrawal = membership.read_sealed(sealed, OfferWithdrawal)
        self._writing(membership.withdraw_offer, withdrawal)

    @method("reader")
    def offers(self) -> list[Offer]:
        """The offers that stand now, by name; there are never more than fit one message."""
        return self._reading(membership.offers)

    @method("reader")
    def holders(self, fingerprints: Sequence[str]) -> list[Holder]:
        """The nodes that offer these holdings now, or did before, by name; a thousand at most."""
        return self._reading(membership.holders, fingerprints)

    @method("contributor")
    def lease(self, sealed: Sealed) -> Lease | None:
        """Take or renew the lease on a question (a sealed `Lease`) for so many seconds; returned with the end that the
        registry's clock sets, or None if another node holds a live one or the question has an answer. The node must
        offer the data that the lease names.
        """
        lease = membership.read_sealed(sealed, Lease)
        return self._writing(membership.take_lease, lease)

    @method("contributor")
    def release(self, sealed: Sealed) -> None:
        """Give a lease back before it expires (a sealed `LeaseReturn`)."""
        lease_return = membership.read_sealed(sealed, LeaseReturn)
        self._writing(membership.return_lease, lease_return)

    @method("reader")
    def leases(self) -> list[Lease]:
        """The live leases; there are never more than fit one message."""
        return self._reading(membership.leases)

    @method("reader")
    def results(self, work_ids: Sequence[str]) -> dict[str, Result]:
        """The answers to those of these questions that have one."""
        return self._reading(answers.answers, work_ids)

    @method("maintainer", slow=True)
    def combine(self, combination: Combination, round: str | None = None, message: str = "") -> Result:
        """Average versions where their bytes are, and enter the result; known combinations are returned at once."""
        storable(message, "the message", LONGEST_NOTE)  # before the work, not after it
        storable(round or "", "a round's id", LONGEST_NAME)
        return averages.combine(self._storage.database, self._storage.blobs, combination, round, message)

    @method("contributor")
    def close_question(self, sealed: Sealed) -> None:
        """Close a question for the key that signs (a sealed `Close`): neither leased to it nor taken from it again."""
        change = unseal(sealed, Close)
        self._writing(signed_changes.close, sealed, change)

    @method("contributor")
    def reopen_question(self, sealed: Sealed) -> None:
        """Open a question again that the same key has closed (a sealed `Reopen`)."""

        change = unseal(sealed, Reopen)
        self._writing(signed_changes.reopen, sealed, change)

    @method("reader")
    def closures(self, work_ids: Sequence[str]) -> list[Sealed]:
        """The signed closures (`Close`) that stand of these questions."""
        return self._reading(signed_changes.closures, work_ids)

    @method("maintainer")
    def owe(self, revision: str, image_size: int, split: Split = "test") -> list[Obligation]:
        """Enter evaluations of a version that are owed, one for each holding of its task that is offered now; a version
        with an imported head is refused. Returns those that are open.
        """
        with self._write() as connection:
            holdings = [holding for offer in membership.offers(connection) for holding in offer.holdings]
            version = revisions.resolve(connection, revision)
            return obligations.owe(connection, version, holdings, image_size, split)

    @method("maintainer", slow=True)
    def owe_credit(self, revision: str, image_size: int) -> list[Obligation]:
        """Enter the comparisons of an average with the averages of the others as owed, one or two for each holding of
        its task that is offered now; averages that nodes cannot make themselves are made here. Returns those that are
        open.
        """
        return questions.ask(self._storage, revision, image_size)

    @method("reader")
    def obligations(self) -> list[Obligation]:
        """Evaluations that are owed of versions and have no answer, the oldest first; a thousand at most."""
        return self._reading(obligations.obligations)

    @method("reader", slow=True)
    def member(self, nodes: Sequence[Digest]) -> Member:
        """What these keys gave: counts, shares in the releases, the latest of what was not taken, what is offered."""
        return self._reading(member.member, nodes)

    @method("reader")
    def submissions(self, nodes: Sequence[str], before: str | None = None, limit: int = MOST_ROWS) -> list[Submission]:
        """What these keys gave and what became of it, latest first; the next page is before the last receipt."""
        return self._reading(contributors.submissions, nodes, before, limit)
