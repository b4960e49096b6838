"""A stored record that cannot be read harms itself only: lists leave it out, and the service's log says so.

Records are checked before they are stored. A row is unreadable when somebody edited the database, or when newer
software wrote it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ratatouille.errors import Refusal
from ratatouille.processes.throttle import Throttle

_log = logging.getLogger(__name__)
_throttle = Throttle()
T = TypeVar("T")


def readable(kind: str, records: Iterable[str], read: Callable[[str], T]) -> Iterator[T]:
    """The records that can be read, in their order.

    Args:
        kind: what they are, in the plural, for the log; it is told once a minute.
        records: as they are stored.
        read: makes one of them; it refuses what it cannot read.
    """
    for record in records:
        try:
            yield read(record)
        except Refusal as error:
            _throttle.warn(_log, kind, f"one of the stored {kind} cannot be read and is left out: {error}")
