"""The registry in process: one folder, which several processes may hold open at once.

The service is this class behind gRPC; tests, rehearsals and research on a laptop use it directly.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Slice, Split
from ratatouille.exchange.change import Close, Move, Reopen, Restore, Retract, RetractCounts, Tag
from ratatouille.exchange.membership import Announcement, Lease, LeaseReturn, Offer, OfferWithdrawal
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.exchange.version import Combination
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry import settings
from registry.audit.look import Ground
from registry.audit.pages import page
from registry.averages import combining
from registry.blobs.access import Blobs
from registry.blobs.belonging import check_belonging
from registry.blobs.sending import open_to_send
from registry.blobs.store import BLOCK, Block, damaged, missing
from registry.changes import closures, counts, obligations, releases, restoring, retraction
from registry.contributions import answers, definitions, membership
from registry.contributions.claims import live
from registry.contributions.publish import Publisher
from registry.contributions.push import Push
from registry.contributions.sequence import TOLERANCE, check_follows
from registry.database import Database
from registry.history import (
    chronicle,
    composition,
    contributors,
    diff,
    lineage,
    log,
    queries,
    ranking,
    revisions,
    submissions,
    verify,
)
from registry.history.watching import Watching
from registry.pages import MOST_ROWS, clipped
from registry.parcels import portable
from registry.places import DATABASE, read_places
from registry.port import Progress
from registry.records import (
    EVERY_VERSION,
    AliasMove,
    AuditPage,
    AuditPlace,
    Collected,
    Contribution,
    Contributor,
    Details,
    Difference,
    Entry,
    Event,
    Info,
    LineageRow,
    LogQuery,
    Metric,
    Obligation,
    Portable,
    Ranking,
    Result,
    Retraction,
    RoundRecord,
    RoundState,
    Submission,
    TagRecord,
    Usage,
    Verification,
)
from registry.retention import collecting, usage
from registry.retention.removed import refuse_removed
from registry.texts import LONGEST_NAME, LONGEST_NOTE, storable


class LocalRegistry:
    """`registry.port.Registry` over a folder."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, and what its `registry.toml` names; a new folder is made, readable by its owner only.

        Raises:
            Refusal: when the folder, the database or the store for weights cannot be used.
            Unreachable: when the database's server does not answer.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            places = read_places(folder)
            self.blobs = Blobs(folder, places.weights, places.cache_megabytes * 2**20)
        except OSError as error:
            raise Refusal(f"the registry folder {folder} cannot be used: {error.strerror}") from error
        self.folder = folder
        self.web: str | None = None
        """Address of the page that this process shows, which `info` passes on."""
        self.coordinator: str | None = None
        """Key of the only coordinator that may announce itself; None: any may."""
        self._last_announcement: Sealed | None = None
        self._announced = time.time() - TOLERANCE
        """When the last announcement was signed; at first a little before this was opened."""
        self._database = Database(places.database or folder / DATABASE, places.migrations)
        self.publisher = Publisher(self._database, self.blobs)
        self.watching = Watching(self._database)
        self.ground = Ground(self._database, self.blobs)

    def check(self) -> None:
        """See whether the store for weights can be used, and is this database's.

        Raises:
            Refusal: when not.
            Unreachable: when it does not answer.
        """
        self.blobs.store.check()
        check_belonging(self._database, self.blobs)

    def close(self) -> None:
        """End those who watch, and close the database."""
        self.watching.close()
        self._database.close()

    # -- who is there
    def info(self) -> Info:
        """Protocol, software, addresses of fleet and page, and the kinds of database and store."""
        scheme, elsewhere, _ = self.blobs.store.name.partition("://")
        with self._database.read() as connection:
            known = settings.read_settings(connection)
            return Info(
                software=f"ratatouille {version('model-ratatouille')}",
                fleet=known.fleet,
                coordinator=known.coordinator,
                web=self.web,
                database=self._database.kind,
                weights=scheme if elsewhere else "folder",
                retractions=retraction.count_retractions(connection),
                closures=closures.count_closures(connection),
            )

    def announce(self, sealed: Sealed) -> None:
        """Say where the fleet can be joined and whose orders count.

        Raises:
            Refusal: when the coordinator that started this service did not sign it.
            Unreachable: when it was signed before the last one.
        """
        said = unseal(sealed, Announcement)
        if self.coordinator not in (None, sealed.node):
            raise Refusal(f"this registry is coordinated by {str(self.coordinator)[:12]}…, not by {sealed.node[:12]}…")
        with self._database.write() as connection:
            if sealed != self._last_announcement:  # whose acknowledgement was lost
                check_follows("announcement", sealed.node, said.issued, self._announced, time.time())
            settings.write_setting(connection, "fleet", said.fleet)
            settings.write_setting(connection, "coordinator", sealed.node)
        self._last_announcement, self._announced = sealed, said.issued

    def settings(self) -> settings.Settings:
        """What the maintainers have set."""
        with self._database.read() as connection:
            return settings.read_settings(connection)

    def configure(self, name: str, value: str | int | float | None) -> None:
        """Set one of `registry.settings.Settings`; None returns to the default."""
        with self._database.write() as connection:
            settings.write_setting(connection, name, value)

    # -- definitions
    def define_architecture(self, architecture: Architecture) -> str:
        """Enter an architecture; returns its digest."""
        with self._database.write() as connection:
            return definitions.define_architecture(connection, architecture)

    def architecture(self, digest: str) -> Architecture:
        """The architecture with this digest."""
        with self._database.read() as connection:
            return definitions.architecture(connection, digest)

    def define_task(self, task: Task) -> str:
        """Enter a task under its name."""
        with self._database.write() as connection:
            return definitions.define_task(connection, task)

    def task(self, name_or_digest: str) -> Task:
        """A task by name or digest."""
        with self._database.read() as connection:
            return definitions.task(connection, name_or_digest)

    def tasks(self, after: str = "", limit: int = MOST_ROWS) -> list[Task]:
        """Tasks by name."""
        with self._database.read() as connection:
            return definitions.tasks(connection, after, limit)

    # -- weights
    def fetch(self, digest: str, progress: Progress | None = None) -> Path:
        """A file with these weights, its digest checked."""
        self._known(digest)
        return self.blobs.local(digest, progress)

    def stream(self, digest: str, offset: int) -> tuple[int, Generator[Block, None, None]]:
        """The length of these weights and their bytes from an offset on, for whoever hashes them at the other end."""
        promised, size = self._known(digest), self.blobs.store.size(digest)
        if size is None:
            raise missing(digest)
        if size != promised:
            raise damaged(digest, f"are {size} instead of {promised}")
        return size, self.blobs.stream(digest, offset)

    def push(self, sealed: Sealed, files: Mapping[str, Path], progress: Progress | None = None) -> Result:
        """Commit a signed receipt with the files of the weights it made."""
        begun = self.publisher.begin(sealed)
        if isinstance(begun, Result):
            return begun
        with begun:
            total = sum(one.size for one in begun.wanted.values())
            done = total - sum(begun.wanted[digest].size - each.received for digest, each in begun.receiving.items())
            for digest in list(begun.receiving):
                for length in _copy(begun, digest, files):
                    done += length
                    if progress is not None:
                        progress(done, total)
            return begun.commit()

    def combine(self, combination: Combination, round: str | None = None, message: str = "") -> Result:
        """Average versions and enter the result."""
        storable(message, "the message", LONGEST_NOTE)  # before the work, not after it
        storable(round or "", "a round's id", LONGEST_NAME)
        return combining.combine(self._database, self.blobs, combination, round, message)

    def results(self, work_ids: Sequence[str]) -> dict[str, Result]:
        """The answers to those of these questions that have one."""
        with self._database.read() as connection:
            return answers.answers(connection, work_ids)

    # -- who works on what
    def offer(self, sealed: Sealed) -> None:
        """Replace a node's offer."""
        offer, proved = membership.read_offer(sealed)
        with self._database.write() as connection:
            membership.enter_offer(connection, sealed, offer, proved)

    def withdraw_offer(self, sealed: Sealed) -> None:
        """The node has left."""
        withdrawal = membership.read_sealed(sealed, OfferWithdrawal)
        with self._database.write() as connection:
            membership.withdraw_offer(connection, withdrawal)

    def offers(self) -> list[Offer]:
        """The offers that stand now."""
        with self._database.read() as connection:
            return membership.offers(connection)

    def lease(self, sealed: Sealed) -> Lease | None:
        """Take or renew a lease."""
        lease = membership.read_sealed(sealed, Lease)
        with self._database.write() as connection:
            return membership.take_lease(connection, lease)

    def release(self, sealed: Sealed) -> None:
        """Give a lease back."""
        given = membership.read_sealed(sealed, LeaseReturn)
        with self._database.write() as connection:
            membership.return_lease(connection, given)

    def leases(self) -> list[Lease]:
        """The live leases."""
        with self._database.read() as connection:
            return membership.leases(connection)

    # -- rounds
    def request_round(self, round: RoundRecord) -> RoundRecord:
        """Enter a round."""
        with self._database.write() as connection:
            return chronicle.request_round(connection, round)

    def round(self, id_or_name: str) -> RoundRecord:
        """A round by id, name or prefix."""
        with self._database.read() as connection:
            return chronicle.round_by(connection, id_or_name)

    def rounds(
        self, states: Sequence[RoundState] = (), before: str | None = None, limit: int = MOST_ROWS
    ) -> list[RoundRecord]:
        """Rounds, or those in one of these states, latest first."""
        with self._database.read() as connection:
            return chronicle.rounds(connection, states, before, limit)

    def move_round(self, id: str, expected: Sequence[RoundState], state: RoundState, reason: str = "") -> bool:
        """Compare-and-set a round's state."""
        with self._database.write() as connection:
            return chronicle.move_round(connection, id, expected, state, reason)

    def note(self, round: str, kind: str, subject: str, text: str) -> None:
        """Append a line to a round's log."""
        with self._database.write() as connection:
            chronicle.note(connection, round, kind, subject, text)

    def use(self, round: str, versions: Sequence[str]) -> None:
        """Say that a round builds on versions that were there before."""
        with self._database.write() as connection:
            chronicle.use(connection, round, versions)

    def events(self, after: int = 0, round: str | None = None, limit: int = 1000) -> list[Event]:
        """Lines of the log, oldest first."""
        with self._database.read() as connection:
            return chronicle.events(connection, after, round, limit)

    def watch(self, after: int | None = None, round: str | None = None, kinds: Sequence[str] = ()) -> Iterator[Event]:
        """Lines of the log as they happen."""
        for step in self.watching.steps(after, round, kinds):
            if isinstance(step, Event):
                yield step

    # -- history
    def resolve(self, revision: str) -> str:
        """Full version id of a revision."""
        with self._database.read() as connection:
            return revisions.resolve(connection, revision)

    def move_alias(self, sealed: Sealed) -> AliasMove:
        """Point an alias at a version."""
        move = unseal(sealed, Move)
        with self._database.write() as connection:
            return releases.move_alias(connection, sealed, move)

    def tag(self, sealed: Sealed) -> TagRecord:
        """Give a version a name for ever."""
        tag = unseal(sealed, Tag)
        with self._database.write() as connection:
            return releases.add_tag(connection, sealed, tag)

    def tags(self, after: str = "", limit: int = MOST_ROWS) -> list[TagRecord]:
        """Tags by name."""
        with self._database.read() as connection:
            return releases.tags(connection, after, limit)

    def aliases(self, after: str = "", limit: int = MOST_ROWS) -> dict[str, str]:
        """Aliases and the versions they point at."""
        with self._database.read() as connection:
            return releases.aliases(connection, after, clipped(limit))

    def alias_history(self, name: str, before: int | None = None, limit: int = MOST_ROWS) -> list[AliasMove]:
        """Moves of an alias, latest first."""
        with self._database.read() as connection:
            return releases.alias_history(connection, name, before, limit)

    def retract(self, sealed: Sealed, dry_run: bool = False) -> Retraction:
        """Take a version back."""
        return retraction.retract(self._database, self.blobs, sealed, unseal(sealed, Retract), dry_run)

    def retract_counts(self, sealed: Sealed) -> None:
        """Take counts back."""
        change = unseal(sealed, RetractCounts)
        with self._database.write() as connection:
            counts.retract_counts(connection, sealed, change)

    def restore(self, sealed: Sealed) -> None:
        """Let a receipt that was taken back come again."""
        change = unseal(sealed, Restore)
        with self._database.write() as connection:
            restoring.restore(connection, sealed, change)

    def owe(self, revision: str, image_size: int, split: Split = "test") -> list[Obligation]:
        """Ask nodes for counts of a version."""
        with self._database.write() as connection:
            holdings = [holding for offer in membership.offers(connection) for holding in offer.holdings]
            version = revisions.resolve(connection, revision)
            return obligations.owe(connection, version, holdings, image_size, split)

    def obligations(self) -> list[Obligation]:
        """Evaluations that are owed."""
        with self._database.read() as connection:
            return obligations.obligations(connection)

    def close_question(self, sealed: Sealed) -> None:
        """Close a question for who signs."""
        change = unseal(sealed, Close)
        with self._database.write() as connection:
            closures.close(connection, sealed, change)

    def reopen_question(self, sealed: Sealed) -> None:
        """Open a question again for who signs."""
        change = unseal(sealed, Reopen)
        with self._database.write() as connection:
            closures.reopen(connection, sealed, change)

    def closures(self, work_ids: Sequence[str]) -> list[Sealed]:
        """The closures that stand of these questions."""
        with self._database.read() as connection:
            return closures.closures(connection, work_ids)

    def submissions(self, nodes: Sequence[str], before: str | None = None, limit: int = MOST_ROWS) -> list[Submission]:
        """What these keys gave, latest first."""
        with self._database.read() as connection:
            return submissions.submissions(connection, nodes, before, limit)

    def retractions(self, before: int | None = None, limit: int = 50) -> list[Retraction]:
        """What was taken back, latest first."""
        with self._database.read() as connection:
            return retraction.retractions(connection, before, clipped(limit))

    def log(self, query: LogQuery = EVERY_VERSION, before: int | None = None, limit: int = 50) -> list[Entry]:
        """Versions that fit, latest first."""
        with self._database.read() as connection:
            return log.log(connection, query, before, limit)

    def show(self, revision: str) -> Details:
        """Everything about a version."""
        with self._database.read() as connection:
            return queries.show(connection, revision)

    def receipt(self, revision: str) -> Sealed | None:
        """A version's signed receipt."""
        with self._database.read() as connection:
            return queries.receipt(connection, revision)

    def lineage(self, revision: str, depth: int = 100, descendants: bool = False) -> list[LineageRow]:
        """A version and its ancestors or descendants, breadth first."""
        with self._database.read() as connection:
            return lineage.lineage(connection, revision, depth, descendants)

    def contributions(self, revision: str) -> list[Contribution]:
        """What an average of averages is made of."""
        with self._database.read() as connection:
            return composition.contributions(connection, revision)

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
        """The best versions for a task by what was counted."""
        with self._database.read() as connection:
            return ranking.best(connection, task, domain, split, metric, slice, trial, limit)

    def contributors(self) -> list[Contributor]:
        """Everybody whose work is here."""
        with self._database.read() as connection:
            return contributors.contributors(connection)

    def diff(self, first: str, second: str, weights: bool = True) -> Difference:
        """Two versions side by side."""
        return diff.diff(self._database, self.blobs, first, second, weights)

    def verify(self, revision: str) -> Verification:
        """Check a version."""
        return verify.verify(self.ground, revision)

    def audit(self, place: AuditPlace | None = None) -> AuditPage:
        """Check the next things of everything."""
        return page(self.ground, place)

    # -- room
    def usage(self) -> Usage:
        """What the registry holds, and how much room it has."""
        with self._database.read() as connection:
            return usage.usage(connection, self.blobs)

    def collect(self, dry_run: bool = True) -> Collected:
        """Remove the weights that the policy does not keep."""
        return collecting.collect(self._database, self.blobs, dry_run)

    def _known(self, digest: str) -> int:
        """The length of weights that belong to a version and are here."""
        with self._database.read() as connection:
            refuse_removed(connection, [digest])
            found = live(connection, [digest])
        if digest not in found:
            raise Refusal(f"weights {digest[:12]}… are not known here")
        return found[digest]

    # -- what leaves with versions
    def ancestry(self, revisions: Sequence[str], depth: int = 10_000) -> list[str]:
        """Ids of versions and their ancestors, parents before children."""
        with self._database.read() as connection:
            return portable.ancestry(connection, revisions, depth)

    def portables(self, ids: Sequence[str]) -> list[Portable]:
        """What leaves with each of these versions."""
        with self._database.read() as connection:
            return portable.portables(connection, ids)

    def receipts(self, digests: Sequence[str]) -> list[Sealed]:
        """Signed receipts: the first of them, as many as fit an answer."""
        with self._database.read() as connection:
            return portable.receipts(connection, digests)


def _copy(push: Push, digest: str, files: Mapping[str, Path]) -> Iterator[int]:
    """Pass the missing bytes of one file through the gate; yields the lengths that went."""
    with open_to_send(digest, files, push.receiving[digest].received) as file:
        while block := file.read(BLOCK):
            push.write(digest, block)
            yield len(block)
