"""What this process does within a block: files that it opens, processes that it starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_listeners: list[tuple[frozenset[str], list[tuple[object, ...]]]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    for names, seen in _listeners:
        if event in names:
            seen.append(arguments)


@contextmanager
def events(*names: str) -> Iterator[list[tuple[object, ...]]]:
    """The arguments of each audit event of these names, of all threads (https://docs.python.org/3/library/audit_events.html)."""
    if not _listeners:
        # An audit hook cannot be removed: one serves all blocks, and costs little while there is none.
        _listeners.append((frozenset(), []))
        sys.addaudithook(_hook)
    seen: list[tuple[object, ...]] = []
    listener = (frozenset(names), seen)
    _listeners.append(listener)
    try:
        yield seen
    finally:
        _listeners[:] = [one for one in _listeners if one[1] is not seen]
