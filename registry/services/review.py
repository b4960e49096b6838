"""Reviews: how far the weights of contributions moved, and whether a version may enter averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ratatouille.exchange.change import Review, ReviewState
from ratatouille.exchange.inspection import Inspected, Inspection
from ratatouille.exchange.signing import Sealed, unseal
from registry.lists import MOST_ROWS
from registry.records import ReviewRecord
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry import inspections
    from registry.ledger import reviews, revisions
else:
    inspections = ImportedOnUse("registry.inspections")
    reviews = ImportedOnUse("registry.ledger.reviews")
    revisions = ImportedOnUse("registry.ledger.revisions")


class Reviews(Service):
    """Reviews of versions, and the inspections of weights that they go by."""

    @method("maintainer", slow=True)
    def inspect(self, inspection: Inspection) -> Inspected:
        """How far versions moved from their starts and from each other, computed where the bytes are; known answers
        are returned at once.
        """
        return inspections.inspect(self._storage.database, self._storage.blobs, inspection)

    @method("reader")
    def inspected(self, work_id: str) -> Inspected | None:
        """The answer to an inspection that was made before; None where there is none."""
        return self._reading(inspections.inspected, work_id)

    @method("maintainer")
    def enter(self, sealed: Sealed) -> ReviewRecord:
        """Say whether a version may enter averages (a sealed `Review`); returns the review that stands then. A
        maintainer's decision stands whatever a gate says later.
        """
        review = unseal(sealed, Review)
        return self._writing(reviews.enter_review, sealed, review)

    @method("reader")
    def standing(self, versions: Sequence[str], after: str = "", limit: int = MOST_ROWS) -> list[ReviewRecord]:
        """The reviews that stand of those of these versions that were reviewed, by version; the next page begins after
        the last one's version.
        """
        return self._reading(reviews.standing, versions, after, limit)

    @method("reader")
    def reviews(
        self, state: ReviewState | None = None, task: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[ReviewRecord]:
        """The reviews that stand, latest first; the next page is `before=reviews[-1].number`."""
        return self._reading(reviews.reviews, state, task, before, limit)

    @method("reader")
    def find_review(self, revision: str) -> ReviewRecord:
        """The review that stands of a version, with all reviews of it; refused for one that was not reviewed."""
        with self._read() as connection:
            return reviews.find_review(connection, revisions.resolve(connection, revision))
