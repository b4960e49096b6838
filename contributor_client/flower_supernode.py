"""Flower's SuperNode with shorter pauses: `python -m contributor_client.flower_supernode`, as `flower-supernode`.

Flower 1.41 pauses for a fixed 3 s when it finds no message and for 0.5 s between two looks for a reply. A round hands
its next work to whoever has become free, so nodes would lose those seconds at every stage of a round. There is no
setting for it; the pauses are one name in one module of the pinned release, and a test says when that changes.
"""

from __future__ import annotations

import time

from flwr.supernode import start_client_internal
from flwr.supernode.cli import flower_supernode

REPLY_SECONDS = 0.1
SOON_SECONDS = 0.5
"""Between two looks for a message shortly after the last one; a look costs the SuperLink some 15 ms of a processor."""
SHORTLY = 6.0
_FLOWERS_IDLE_SECONDS = 3


class Pauses:
    """Stands in for the module `time` in Flower's loop, which calls `sleep` only."""

    def __init__(self) -> None:
        self._worked = time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep as long as Flower asks to, but shortly while a reply or the next message is to be expected."""
        if seconds < _FLOWERS_IDLE_SECONDS:
            self._worked = time.monotonic()
            time.sleep(min(seconds, REPLY_SECONDS))
        else:
            time.sleep(SOON_SECONDS if time.monotonic() - self._worked < SHORTLY else seconds)


def main() -> None:
    """Run `flower-supernode` with our pauses."""
    start_client_internal.time = Pauses()  # type: ignore[assignment, attr-defined]
    flower_supernode()


if __name__ == "__main__":
    main()
