"""Rounds: their records and states, and the event log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from registry.lists import MOST_ROWS
from registry.records import Event, RoundRecord, RoundState
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry.history.watcher import EventWatcher
    from registry.ledger import event_log
    from registry.storage import Storage
else:
    event_log = ImportedOnUse("registry.ledger.event_log")


class Rounds(Service):
    """Rounds and the event log."""

    def __init__(self, storage: Storage, watching: EventWatcher) -> None:
        super().__init__(storage)
        self._watching = watching

    @method("maintainer")
    def request_round(self, round: RoundRecord) -> RoundRecord:
        """Enter a round; a second call with the same id returns the first."""
        return self._writing(event_log.request_round, round)

    @method("reader")
    def round(self, id_or_name: str) -> RoundRecord:
        """A round by id, unique prefix of its id, or the latest of that name."""
        return self._reading(event_log.round_by, id_or_name)

    @method("reader")
    def rounds(
        self, states: Sequence[RoundState] = (), before: str | None = None, limit: int = MOST_ROWS
    ) -> list[RoundRecord]:
        """Rounds, or those in one of these states, latest first; the next page is before the last one's id."""
        return self._reading(event_log.rounds, states, before, limit)

    @method("maintainer")
    def move_round(self, id: str, expected: Sequence[RoundState], state: RoundState, reason: str = "") -> bool:
        """Compare-and-set a round's state; False when it was none of `expected`."""
        return self._writing(event_log.move_round, id, expected, state, reason)

    @method("maintainer")
    def note(self, round: str, kind: str, subject: str, text: str) -> None:
        """Append an event of a round to the event log."""
        self._writing(event_log.note, round, kind, subject, text)

    @method("maintainer")
    def use(self, round: str, versions: Sequence[str]) -> None:
        """Note that a round builds on versions that were there before; gc keeps them as if they were its own."""
        self._writing(event_log.use, round, versions)

    @method("maintainer")
    def name_result(self, round: str, recipe: str, version: str) -> None:
        """Note that a recipe of a round ended in a version; lists of versions show it. Noting it again does nothing."""
        self._writing(event_log.name_result, round, recipe, version)

    @method("reader")
    def events(self, after: int = 0, round: str | None = None, limit: int = 1000) -> list[Event]:
        """Events with a number greater than `after`, oldest first, as many as fit one message."""
        return self._reading(event_log.events, after, round, limit)

    @method("reader", stream=True)
    def watch(self, after: int | None = None, round: str | None = None, kinds: Sequence[str] = ()) -> Iterator[Event]:
        """Events as they happen: those with a number greater than `after` (None: from now on), of one round
        or all, of these kinds or all. It ends when the registry is closed or its service stops; to go on, pass the last
        number. Close the iterator to stop earlier.
        """
        for step in self._watching.steps(after, round, kinds):
            if isinstance(step, Event):
                yield step
