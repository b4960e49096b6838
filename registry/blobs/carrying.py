"""A file brought from one place to another through a gate; what was broken off goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ratatouille.errors import RatatouilleError, Unavailable
from registry.blobs.inbox import Inbox
from registry.blobs.receiving import Gate, Receiving
from registry.blobs.store import Block

Bytes = Callable[[int], Iterable[Block]]
"""The bytes from an offset on."""


Place = Callable[[Receiving], None]
"""Takes the file when all of it is there and right."""


def carry(inbox: Inbox, digest: str, gate: Callable[[], Gate], bytes: Bytes, place: Place) -> None:
    """Bring a file.

    Args:
        inbox: where it is while it comes.
        digest: its name there.
        gate: makes what checks the bytes.
        bytes: where they come from.
        place: where to.

    Raises:
        Refusal: as the gate does, for bytes that are not right.
        Unreachable: when a source or a disk fails; what has come is kept.
    """
    for again in (False, True):
        with inbox.receive(digest) as receiving:
            try:
                for block in bytes(receiving.resume(gate)):
                    receiving.write(block)
                receiving.finish(sync=False)  # the receiver does
            except RatatouilleError as error:
                if isinstance(error, Unavailable) and receiving.path.exists():
                    raise
                receiving.discard()
                if again or not receiving.resumed:  # else what an earlier transfer left may be to blame
                    raise
            else:
                place(receiving)
                return
