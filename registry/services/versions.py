"""Versions: the history, where each came from, how good they are, and whether each is what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ratatouille.exchange.assignment import Slice, Split
from ratatouille.exchange.signing import Sealed
from registry.records import (
    EVERY_VERSION,
    Contribution,
    Contributor,
    Credit,
    Details,
    Difference,
    Entry,
    LineageRow,
    LogQuery,
    Metric,
    Portable,
    Ranking,
    Verification,
)
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry.audit import versions
    from registry.credit import standings
    from registry.history import contributors, diff, lineage, log, portable, queries, ranking
    from registry.ledger import revisions
else:
    versions = ImportedOnUse("registry.audit.versions")
    standings = ImportedOnUse("registry.credit.standings")
    contributors = ImportedOnUse("registry.history.contributors")
    diff = ImportedOnUse("registry.history.diff")
    lineage = ImportedOnUse("registry.history.lineage")
    log = ImportedOnUse("registry.history.log")
    portable = ImportedOnUse("registry.history.portable")
    queries = ImportedOnUse("registry.history.queries")
    ranking = ImportedOnUse("registry.history.ranking")
    revisions = ImportedOnUse("registry.ledger.revisions")


class Versions(Service):
    """The history of versions."""

    @method("reader")
    def resolve(self, revision: str) -> str:
        """Full version id of an id, unique prefix (4 characters or more), alias, tag, `alias@{2026-03-01}`, or one of
        these with `~N` (N steps to the first parent).
        """
        return self._reading(revisions.resolve, revision)

    @method("reader")
    def log(self, query: LogQuery = EVERY_VERSION, before: int | None = None, limit: int = 50) -> list[Entry]:
        """Versions that fit, latest first; the next page is `before=entries[-1].number`."""
        return self._reading(log.log, query, before, limit)

    @method("reader")
    def show(self, revision: str) -> Details:
        """Everything about a version."""
        return self._reading(queries.show, revision)

    @method("reader")
    def receipt(self, revision: str) -> Sealed | None:
        """A version's receipt with its signature, as it was pushed; None for what the registry made itself."""
        return self._reading(queries.receipt, revision)

    @method("reader")
    def lineage(self, revision: str, depth: int = 100, descendants: bool = False) -> list[LineageRow]:
        """A version and its ancestors (or descendants), breadth first; each of them once for each way to it."""
        return self._reading(lineage.lineage, revision, depth, descendants)

    @method("reader")
    def contributions(self, revision: str) -> list[Contribution]:
        """What an average of averages is made of: each contribution with its share, the largest first."""
        return self._reading(lineage.contributions, revision)

    @method("reader", slow=True)
    def credit(self, revision: str) -> Credit:
        """What each contribution and each contributor is worth in an average, by leave-one-out, as far as nodes have
        counted it.
        """
        return self._reading(standings.credit, revision)

    @method("reader")
    def best(
        self,
        task: str,
        domain: str | None = None,
        split: Split | None = None,
        metric: Metric | None = None,
        slice: Slice = "all",
        trial: int = 0,
        limit: int = 10,
    ) -> Ranking:
        """The best versions for a task by what was counted, all on the same domains; None for `domain` is the mean over
        them, for `split` the first of test, all, validation and train that has counts, for `metric` the task's own.
        """
        return self._reading(ranking.best, task, domain, split, metric, slice, trial, limit)

    @method("reader")
    def contributors(self) -> list[Contributor]:
        """All contributors, those with the most trainings first."""
        return self._reading(contributors.contributors)

    @method("reader", slow=True)
    def diff(self, first: str, second: str, weights: bool = True, holding: str | None = None) -> Difference:
        """Two versions side by side: what both were counted on (or on the holding with this fingerprint only), where
        they part, and how far each tensor moved (unless `weights` is false: they are read to the end for it).
        """
        return diff.diff(self._storage.database, self._storage.blobs, first, second, weights, holding)

    @method("reader", slow=True)
    def verify(self, revision: str) -> Verification:
        """Check a version: bytes, id, signature; a combination is recomputed from its parents, bit for bit."""
        return versions.verify(self._storage, revision)

    @method("reader")
    def ancestry(self, revisions: Sequence[str], depth: int = 10_000) -> list[str]:
        """Ids of versions and their ancestors, so many steps back, parents before children."""
        return self._reading(portable.ancestry, revisions, depth)

    @method("reader")
    def portables(self, ids: Sequence[str]) -> list[Portable]:
        """What leaves with each of these versions (100 at most), in the order of `ids`."""
        return self._reading(portable.portables, ids)

    @method("reader")
    def receipts(self, digests: Sequence[str]) -> list[Sealed]:
        """Signed receipts, in the order of `digests`: the first of them, as many as fit an answer."""
        return self._reading(portable.receipts, digests)
