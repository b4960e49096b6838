"""The registry's one interface. `registry.opening.open_registry(url)` gives it for a folder and for a gRPC address.

Methods raise `Refusal` with one clear sentence for what a caller did wrong, and `Unreachable` when the service does not
answer. Every write is idempotent: a caller that did not hear the acknowledgement calls again. Every answer is bounded:
long lists come in pages (`registry.pages.every` reads them all).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ratatouille.exchange.assignment import Slice, Split
from ratatouille.exchange.membership import Lease, Offer
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Combination
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.pages import MOST_ROWS
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

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Registry(Protocol):
    """Everything that can be asked of a registry."""

    # -- who is there
    def info(self) -> Info:
        """Protocol, software, the fleet's address, and the kinds of database and store."""

    def announce(self, sealed: Sealed) -> None:
        """Say where the fleet can be joined and whose orders count (a sealed `Announcement`; the coordinator does, at
        start and stop). A service that a coordinator started takes its own coordinator's only.
        """

    # -- definitions, by digest and, for tasks, by name
    def define_architecture(self, architecture: Architecture) -> str:
        """Enter an architecture; returns its digest."""

    def architecture(self, digest: str) -> Architecture:
        """The architecture with this digest."""

    def define_task(self, task: Task) -> str:
        """Enter a task under its name; a name means one definition for ever (Refusal for another one)."""

    def task(self, name_or_digest: str) -> Task:
        """A task by name or digest."""

    def tasks(self, after: str = "", limit: int = MOST_ROWS) -> list[Task]:
        """Tasks by name; the next page begins after the last one's name."""

    # -- weights
    def fetch(self, digest: str, progress: Progress | None = None) -> Path:
        """A local file with these weights, its digest checked. It is read-only and may be memory-mapped."""

    def push(self, sealed: Sealed, files: Mapping[str, Path], progress: Progress | None = None) -> Result:
        """Commit a signed receipt with the files (by digest) of the weights it made. The return is the acknowledgement.

        The registry checks signature, lease, task, architecture, names, shapes, finiteness, frozen buffers and digests,
        and writes blobs first, rows last. Pushing again what is known returns the first result.
        """

    def combine(self, combination: Combination, round: str | None = None, message: str = "") -> Result:
        """Average versions where their bytes are, and enter the result; known combinations are returned at once."""

    def results(self, work_ids: Sequence[str]) -> dict[str, Result]:
        """The answers to those of these questions that have one."""

    # -- who works on what
    def offer(self, sealed: Sealed) -> None:
        """Replace a node's offer (a sealed `Offer` with a proof for each holding)."""

    def withdraw_offer(self, sealed: Sealed) -> None:
        """The node has left (a sealed `OfferWithdrawal`)."""

    def offers(self) -> list[Offer]:
        """The offers that stand now, by name; there are never more than fit one message."""

    def lease(self, sealed: Sealed) -> Lease | None:
        """Take or renew the lease on a question (a sealed `Lease`) for so many seconds; returned with the end that the
        registry's clock sets, or None if another node holds a live one or the question has an answer. The node must
        offer the data that the lease names.
        """

    def release(self, sealed: Sealed) -> None:
        """Give a lease back before it expires (a sealed `LeaseReturn`)."""

    def leases(self) -> list[Lease]:
        """The live leases; there are never more than fit one message."""

    # -- rounds
    def request_round(self, round: RoundRecord) -> RoundRecord:
        """Enter a round; a second call with the same id returns the first."""

    def round(self, id_or_name: str) -> RoundRecord:
        """A round by id, unique prefix of its id, or the latest of that name."""

    def rounds(
        self, states: Sequence[RoundState] = (), before: str | None = None, limit: int = MOST_ROWS
    ) -> list[RoundRecord]:
        """Rounds, or those in one of these states, latest first; the next page is before the last one's id."""

    def move_round(self, id: str, expected: Sequence[RoundState], state: RoundState, reason: str = "") -> bool:
        """Compare-and-set a round's state; False when it was none of `expected`."""

    def note(self, round: str, kind: str, subject: str, text: str) -> None:
        """Append a line to the log of what happened in a round."""

    def use(self, round: str, versions: Sequence[str]) -> None:
        """Say that a round builds on versions that were there before; gc leaves them alone as if they were its own."""

    def events(self, after: int = 0, round: str | None = None, limit: int = 1000) -> list[Event]:
        """Lines of the log with a number greater than `after`, oldest first, as many as fit one message."""

    def watch(self, after: int | None = None, round: str | None = None, kinds: Sequence[str] = ()) -> Iterator[Event]:
        """Lines of the log as they happen: those with a number greater than `after` (None: from now on), of one round
        or all, of these kinds or all. It ends when the registry is closed or its service stops; whoever goes on passes
        the last number. Close the iterator to stop earlier.
        """

    # -- history
    def resolve(self, revision: str) -> str:
        """Full version id of an id, unique prefix (4 characters or more), alias, tag, `alias@{2026-03-01}`, or one of
        these with `~N` (N steps to the first parent).
        """

    def move_alias(self, sealed: Sealed) -> AliasMove:
        """Point an alias at a version (a sealed `Move`), if it is where the move says; the move is kept for ever."""

    def tag(self, sealed: Sealed) -> TagRecord:
        """Give a version a name for ever (a sealed `Tag`)."""

    def tags(self, after: str = "", limit: int = MOST_ROWS) -> list[TagRecord]:
        """Tags by name; the next page begins after the last one's name."""

    def aliases(self, after: str = "", limit: int = MOST_ROWS) -> dict[str, str]:
        """Aliases and the versions they point at, by name; the next page begins after the last name."""

    def alias_history(self, name: str, before: int | None = None, limit: int = MOST_ROWS) -> list[AliasMove]:
        """Moves of an alias, latest first; the next page is before the last one's number."""

    def retract(self, sealed: Sealed, dry_run: bool = False) -> Retraction:
        """Take a version back (a sealed `Retract`): its question is open again, every average that it is in is made
        again without it, and aliases follow. A dry run only says what would happen.
        """

    def retract_counts(self, sealed: Sealed) -> None:
        """Take counts back, which make no version (a sealed `RetractCounts`): their question is open again."""

    def restore(self, sealed: Sealed) -> None:
        """Let a receipt that was taken back come again (a sealed `Restore`); without this it is refused for ever."""

    def owe(self, revision: str, image_size: int, split: Split = "test") -> list[Obligation]:
        """Ask the nodes that are here, and hold its task, for counts of a version whose head no one imported; returns
        what is open.
        """

    def obligations(self) -> list[Obligation]:
        """Evaluations that are owed of versions and have no answer, the oldest first; a thousand at most."""

    def close_question(self, sealed: Sealed) -> None:
        """Close a question for the key that signs (a sealed `Close`): neither leased to it nor taken from it again."""

    def reopen_question(self, sealed: Sealed) -> None:
        """Open a question again that the same key has closed (a sealed `Reopen`)."""

    def closures(self, work_ids: Sequence[str]) -> list[Sealed]:
        """The signed closures (`Close`) that stand of these questions."""

    def submissions(self, nodes: Sequence[str], before: str | None = None, limit: int = MOST_ROWS) -> list[Submission]:
        """What these keys gave and what became of it, latest first; the next page is before the last receipt."""

    def retractions(self, before: int | None = None, limit: int = 50) -> list[Retraction]:
        """What was taken back, latest first; the next page is `before=retractions[-1].number`."""

    def log(self, query: LogQuery = EVERY_VERSION, before: int | None = None, limit: int = 50) -> list[Entry]:
        """Versions that fit, latest first; the next page is `before=entries[-1].number`."""

    def show(self, revision: str) -> Details:
        """Everything about a version."""

    def receipt(self, revision: str) -> Sealed | None:
        """A version's receipt with its signature, as it was pushed; None for what the registry made itself."""

    def lineage(self, revision: str, depth: int = 100, descendants: bool = False) -> list[LineageRow]:
        """A version and its ancestors (or descendants), breadth first; each of them once for each way to it."""

    def contributions(self, revision: str) -> list[Contribution]:
        """What an average of averages is made of: each contribution with its share, the largest first."""

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

    def contributors(self) -> list[Contributor]:
        """Everybody whose work is here, the most trainings first."""

    def diff(self, first: str, second: str, weights: bool = True) -> Difference:
        """Two versions side by side: what both were counted on, where they part, and how far each tensor moved (unless
        `weights` is false: they are read to the end for it).
        """

    def verify(self, revision: str) -> Verification:
        """Check a version: bytes, id, signature; a combination is recomputed from its parents, bit for bit."""

    # -- room
    def usage(self) -> Usage:
        """What the registry holds, and how much room it has."""

    def collect(self, dry_run: bool = True) -> Collected:
        """Remove the weights that the policy does not keep, and files that no version has; a dry run only looks."""

    def audit(self, place: AuditPlace | None = None) -> AuditPage:
        """Check the next things of all that is kept, for about a second; `registry.audit.walk` asks for all pages.

        Args:
            place: where the last page says that the next one begins; None begins.
        """

    # -- what leaves with versions
    def ancestry(self, revisions: Sequence[str], depth: int = 10_000) -> list[str]:
        """Ids of versions and their ancestors, so many steps back, parents before children."""

    def portables(self, ids: Sequence[str]) -> list[Portable]:
        """What leaves with each of these versions (100 at most), in the order asked."""

    def receipts(self, digests: Sequence[str]) -> list[Sealed]:
        """Signed receipts, in the order asked: the first of them, as many as fit an answer."""

    def close(self) -> None:
        """Release files and connections."""
