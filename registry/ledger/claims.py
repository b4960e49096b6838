"""Claims on weights: a claimed blob is not removed while a push or an average is about to need it.

The protocol between work that needs weights (pushes, combinations) and work that removes them (sweep, gc):

1. A row of `uploads` is a claim on a digest; with a size, it also reserves that much space on the disk of the inbox.
   Work that needs weights claims all of them *before* it looks whether they are in the store.
2. Work that removes a blob holds the write lock of the database from looking until it is gone from the store. It takes
   only blobs that no live row owns and nothing claims (`unowned`). A row is live until it is marked as collected.
3. Uploads come before the transaction that needs them: the lock is never held while bytes move. That transaction checks
   with `Claims.check` that each digest has a live row or still carries our own claim; if not, it is pushed again.

Reserved space is freed when its push ends (`Claims.forgo`), and minutes after the last byte when a push ends without
notice; a push that goes on reserves anew. The claim of a dead process ends when its time has passed and nothing is in
the inbox under its name. A process that was only slow may lose a claim that way, and finds out in step 3: the claim
carries the time when it was made.

`removed` lists the weights that `gc` has removed under the retention policy, so that they are not reported as lost.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, update

from ratatouille.errors import Refusal, Unreachable
from registry.blobs.inbox import Inbox
from registry.database import upsert
from registry.lists import chunks
from registry.schema import BlobRow, UploadRow
from registry.settings import read_settings

PROMISE_SECONDS = 300.0
"""Reserved space is kept for so long after the last byte."""

_DIGESTS: BindParameter[Any] = bindparam("digests", expanding=True)
_MINE = UploadRow.claimant == bindparam("who")
_LIVE = select(BlobRow.digest, BlobRow.size).where(BlobRow.digest.in_(_DIGESTS), BlobRow.collected.is_(None))
_CLAIM = select(UploadRow.changed).where(UploadRow.digest == bindparam("one"), _MINE)
_RELEASE = delete(UploadRow).where(UploadRow.digest.in_(_DIGESTS), _MINE)
_FORGO = update(UploadRow).where(UploadRow.digest.in_(_DIGESTS), _MINE).values(size=0)
_PROMISED = (
    select(UploadRow.digest, func.max(UploadRow.size).label("size"), func.max(UploadRow.changed).label("changed"))
    .where(UploadRow.size > 0)
    .group_by(UploadRow.digest)
)


class Claims:
    """The claims of one push or combination."""

    def __init__(self, inbox: Inbox, claimant: str) -> None:
        """Claim nothing yet.

        Args:
            inbox: where files come in.
            claimant: digest of the receipt; for a combination one of its work id and of the inbox where it is made.
        """
        self._inbox = inbox
        self._claimant = claimant
        self._stamps: dict[str, float] = {}

    def take(self, connection: Connection, sizes: Mapping[str, int]) -> None:
        """Claim digests, with the room that their files need in the inbox (0 for what need not come).

        Raises:
            Unreachable: when they do not fit beside what is promised to others and the reserve.
        """
        _check_room(connection, self._inbox, sizes)
        now = time.time()
        for digests in chunks(sorted(sizes)):
            rows = [
                {"digest": digest, "claimant": self._claimant, "size": sizes[digest], "changed": now}
                for digest in digests
            ]
            upsert(connection, UploadRow, rows)
        self._stamps |= dict.fromkeys(sizes, now)

    def check(self, connection: Connection, digests: Collection[str]) -> None:
        """Check that these cannot have been removed; called in the transaction that makes them part of a version.

        Raises:
            Unreachable: when one may have been.
        """
        owned = live(connection, digests)
        for digest in sorted(set(digests) - owned.keys()):
            found = connection.execute(_CLAIM, {"one": digest, "who": self._claimant}).scalar()
            if found is None or found != self._stamps.get(digest):
                raise Unreachable(f"weights {digest[:12]}… were removed while they were needed; push again")

    def forgo(self, connection: Connection) -> None:
        """Free the reserved space, since nothing more comes for now; the claims stay."""
        for digests in chunks(sorted(self._stamps)):
            connection.execute(_FORGO, {"digests": digests, "who": self._claimant})

    def release(self, connection: Connection) -> None:
        """Give the claims back."""
        for digests in chunks(sorted(self._stamps)):
            connection.execute(_RELEASE, {"digests": digests, "who": self._claimant})


def live(connection: Connection, digests: Collection[str]) -> dict[str, int]:
    """Those of these digests that belong to versions, so that their blobs stay, and the lengths of these."""
    found: dict[str, int] = {}
    for some in chunks(sorted(digests)):
        found |= {row.digest: row.size for row in connection.execute(_LIVE, {"digests": some})}
    return found


def claimed(connection: Connection, inbox: Inbox, digests: Collection[str]) -> set[str]:
    """Those of these digests that some work is about to need; the caller holds the write lock."""
    forget_dead(connection, inbox)
    return set(digests) & spoken_for(connection)


def spoken_for(connection: Connection) -> set[str]:
    """All digests with a claim, of dead processes too; there are as many as transfers and averages under way."""
    return set(connection.execute(select(UploadRow.digest)).scalars())


def unowned(connection: Connection, inbox: Inbox, digests: Collection[str]) -> set[str]:
    """Those of these digests whose blobs may be removed now; the caller holds the write lock."""
    return set(digests) - claimed(connection, inbox, digests) - live(connection, digests).keys()


def forget_dead(connection: Connection, inbox: Inbox) -> None:
    """End the claims of processes that ended long ago."""
    before = time.time() - read_settings(connection).stale_seconds
    for digest in connection.execute(select(UploadRow.digest).where(UploadRow.changed < before)).scalars().all():
        if not inbox.partial(digest).exists():
            connection.execute(delete(UploadRow).where(UploadRow.digest == digest))


def _check_room(connection: Connection, inbox: Inbox, sizes: Mapping[str, int]) -> None:
    missing = sum(max(0, size - inbox.arrived_bytes(digest)) for digest, size in sizes.items() if size)
    if not missing:
        return
    free = free_room(connection, inbox, sizes)
    if missing > free:
        raise Unreachable(
            f"the registry has no room for {missing} bytes (free beside its reserve: {max(0, free)}); "
            "its maintainers must make some"
        )


def free_room(connection: Connection, inbox: Inbox, leaving_out: Collection[str] = ()) -> int:
    """Bytes that may come beside the reserve and what is promised, but for some; negative when there are too many."""
    return inbox.free_bytes() - read_settings(connection).reserve_bytes - promised(connection, inbox, leaving_out)


def promised(connection: Connection, inbox: Inbox, leaving_out: Collection[str] = ()) -> int:
    """Bytes that are still to come of transfers under way, but for some."""
    since = time.time() - PROMISE_SECONDS
    return sum(
        max(0, row.size - inbox.arrived_bytes(row.digest))
        for row in connection.execute(_PROMISED)
        if row.digest not in leaving_out and max(row.changed, inbox.last_arrival(row.digest)) > since
    )


_REMOVED = select(BlobRow.digest, BlobRow.collected).where(
    BlobRow.digest.in_(bindparam("digests", expanding=True)), BlobRow.collected.is_not(None)
)


class Removed(Refusal):
    """Weights that are gone on purpose."""

    def __init__(self, whose: str, at: float) -> None:
        day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
        super().__init__(
            f"the weights {whose} were removed by gc on {day} under the retention policy; their history stays"
        )


def removed(connection: Connection, digests: Collection[str]) -> dict[str, float]:
    """Those of these weights that gc removed, with when."""
    found: dict[str, float] = {}
    for some in chunks(digests):
        found |= {row.digest: row.collected for row in connection.execute(_REMOVED, {"digests": some})}
    return found


def refuse_removed(connection: Connection, digests: Collection[str], whose: str = "") -> None:
    """Check that none of these weights was removed.

    Args:
        connection: a transaction.
        digests: the weights that are to be read.
        whose: of what they are; by default they are named by their digest.

    Raises:
        Removed: naming the first that was, and when.
    """
    for digest, at in sorted(removed(connection, digests).items()):
        raise Removed(whose or f"{digest[:12]}…", at)
