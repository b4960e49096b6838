"""The watcher of the event log: each new event reaches all watchers of this process within a fraction of a second.

Every process that has the database open may add events, so the log is read again and again; one thread does it for all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from registry.database import Database
from registry.ledger import event_log
from registry.records import BEAT_SECONDS, Event

LOOK_SECONDS = 0.2
"""Time between two looks at the end of the log."""


class EventWatcher:
    """The watchers of the event log of one database, in this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._last = 0
        self._looking = False

    def close(self) -> None:
        """End all watchers, each as if its list were complete."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()

    def steps(
        self,
        after: int | None,
        round: str | None = None,
        kinds: Sequence[str] = (),
        wanted: Callable[[], bool] = lambda: True,
    ) -> Iterator[Event | int]:
        """New events as they come, and numbers up to which there is none: at the beginning, and as signs of life.

        Args:
            after: number of the last line that is known; None is the last one that there is.
            round: only lines of this round.
            kinds: only lines of these kinds.
            wanted: whether the caller still listens; called several times a second.

        Raises:
            Unreachable: when the database does not answer.
        """
        if after is None:
            after = self._look()
        yield after
        while not self._closed.is_set():
            with self._database.read() as connection:
                last = event_log.last_event(connection)
                found = event_log.events(connection, after, round, event_log.MOST_EVENTS, kinds)
            yield from found
            after = found[-1].number if found else max(after, last)
            if not found and not self._wait(after, wanted):
                if not wanted() or self._closed.is_set():
                    return
                yield after

    def _wait(self, seen: int, wanted: Callable[[], bool]) -> bool:
        """Wait for lines after `seen`; False when none comes for long, or the caller has gone."""
        until = time.monotonic() + BEAT_SECONDS
        while wanted() and not self._closed.is_set() and time.monotonic() < until:
            with self._changed:
                if self._last > seen:
                    return True
                mine = not self._looking
                self._looking = True
                if not mine:
                    self._changed.wait(LOOK_SECONDS)
                    continue
            try:
                self._closed.wait(LOOK_SECONDS)
                self._look()
            finally:
                with self._changed:
                    self._looking = False
                    self._changed.notify_all()
        return False

    def _look(self) -> int:
        with self._database.read() as connection:
            self._last = event_log.last_event(connection)
        return self._last
