"""Limits on streams: in all, for each peer and for each key, and of those that have sent nothing yet."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ratatouille.errors import Unreachable


class Places:
    """Places for streams of one kind; nobody has more than their share, so that others always find some."""

    def __init__(self, what: str, most: int, shares: dict[str, int] | None = None) -> None:
        """`shares` says for a kind of holder ("peer", "key") how many places one of them may have."""
        self._what = what
        self._most = most
        self._shares = shares or {}
        self._taken = 0
        self._held: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, **holders: str) -> Iterator[None]:
        """Have a place, in the name of some holders.

        Raises:
            Unreachable: when there is none.
        """
        self._take(holders)
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
                for holder in holders.items():
                    self._held[holder] -= 1
                    if not self._held[holder]:
                        del self._held[holder]

    def _take(self, holders: dict[str, str]) -> None:
        with self._lock:
            if self._taken >= self._most:
                raise Unreachable(
                    f"the registry has {self._most} {self._what} already, which are the most; try again in a minute"
                )
            for kind, holder in holders.items():
                share = self._shares.get(kind, self._most)
                if self._held[kind, holder] >= share:
                    raise Unreachable(
                        f"this {kind} has {share} {self._what} already, which are the most for one; try again when one "
                        "of them has ended"
                    )
            self._taken += 1
            self._held.update(holders.items())


class Unopened:
    """Streams that have not sent their first message yet; when there are too many, the oldest is ended.

    An honest client sends its first message at once, so the oldest stream is the least likely to be one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ends: dict[object, Callable[[], object]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self, end: Callable[[], object]) -> Iterator[None]:
        """Wait for the first message; `end` is called when others need the place."""
        mark = object()
        with self._lock:
            self._ends[mark] = end
            oldest = self._ends.pop(next(iter(self._ends))) if len(self._ends) > self._most else None
        if oldest is not None:
            oldest()
        try:
            yield
        finally:
            with self._lock:
                self._ends.pop(mark, None)
