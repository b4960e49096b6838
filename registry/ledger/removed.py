"""Weights that gc removed under the retention policy: how every reader says so, instead of calling them lost."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, select

from ratatouille.errors import Refusal
from registry.lists import chunks
from registry.schema import BlobRow

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
    """See that none of these weights was removed.

    Args:
        connection: a transaction.
        digests: the weights that are to be read.
        whose: of what they are; by default they are named by their digest.

    Raises:
        Removed: naming the first that was, and when.
    """
    for digest, at in sorted(removed(connection, digests).items()):
        raise Removed(whose or f"{digest[:12]}…", at)
