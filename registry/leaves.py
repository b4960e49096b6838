"""The Merkle tree over the event log: each event is a leaf, and its row keeps the perfect subtrees that it completes.

So appending reads one or two rows and writes one, whatever the length of the log, and every hash of every earlier tree
can be made from a few rows. `ratatouille.exchange.merkle` has the arithmetic, `log_head` the bytes of a leaf. Positions
have no gaps, as an event's number may: they are given under the write lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select

from ratatouille.exchange.log_head import entry_data
from ratatouille.exchange.merkle import (
    Perfect,
    Span,
    completed,
    joined,
    last_leaf,
    leaf_hash,
    perfect_in,
    siblings,
)
from registry.lists import chunks
from registry.schema import LeafRow

_POSITIONS: BindParameter[Any] = bindparam("positions", expanding=True)
_NEW = insert(LeafRow)
_LAST = select(LeafRow.position, LeafRow.nodes).order_by(LeafRow.position.desc()).limit(1)
_NODES = select(LeafRow.position, LeafRow.nodes).where(LeafRow.position.in_(_POSITIONS))
_SIZE = select(func.max(LeafRow.position))


def append_leaf(connection: Connection, event: Mapping[Any, Any], about: str | None) -> None:
    """Enter the leaf of an event that was written in this transaction, which holds the write lock."""
    last = connection.execute(_LAST).first()
    position, known = (0, {}) if last is None else (last.position + 1, {last.position: last.nodes})
    wanted = siblings(position)
    if more := [last_leaf(one) for one in wanted if last_leaf(one) not in known]:
        known |= {row.position: row.nodes for row in connection.execute(_NODES, {"positions": more})}
    hashes = completed(position, leaf_hash(entry_data(event, about)), lambda one: node_in(known, one))
    connection.execute(_NEW, _row(position, event["number"], about, hashes))


def leaf_rows(events: Iterable[tuple[Mapping[Any, Any], str | None]]) -> Iterator[dict[str, Any]]:
    """The rows of the leaves of a whole log, for a database without any.

    Args:
        events: all events by number, each with the digest of what it is about.
    """
    ends: dict[Perfect, bytes] = {}  # one for each level: those that a later leaf may need
    for position, (event, about) in enumerate(events):
        hashes = completed(position, leaf_hash(entry_data(event, about)), ends.__getitem__)
        level = len(hashes) - 1
        ends = {one: value for one, value in ends.items() if one[0] > level}
        ends[level, position >> level] = hashes[-1]
        yield _row(position, event["number"], about, hashes)


def size(connection: Connection) -> int:
    """How many leaves there are."""
    last = connection.execute(_SIZE).scalar()
    return 0 if last is None else last + 1


def hashes_of(connection: Connection, spans: Sequence[Span]) -> list[bytes]:
    """The hashes of some spans of leaves, from the rows of the subtrees that they consist of.

    Raises:
        KeyError: when a row is missing.
    """
    parts = [perfect_in(span) for span in spans]
    known = stored_nodes(connection, [one for part in parts for one in part])
    return [joined([node_in(known, one) for one in part]) for part in parts]


def root(connection: Connection, size: int) -> str:
    """The hash of the tree of the first leaves; raises as `hashes_of` does."""
    return hashes_of(connection, [(0, size)])[0].hex()


def stored_nodes(connection: Connection, perfect: Iterable[Perfect]) -> dict[int, str]:
    """The rows that have the hashes of some perfect subtrees, by position."""
    found: dict[int, str] = {}
    for some in chunks(sorted({last_leaf(one) for one in perfect})):
        found |= {row.position: row.nodes for row in connection.execute(_NODES, {"positions": some})}
    return found


def node_in(rows: Mapping[int, str], perfect: Perfect) -> bytes:
    """The hash of a perfect subtree, from the row of the leaf that completes it.

    Raises:
        KeyError: when the row is missing, or shorter than that.
    """
    begin = 64 * perfect[0]
    hexadecimal = rows[last_leaf(perfect)][begin : begin + 64]
    if len(hexadecimal) != 64:
        raise KeyError(perfect)
    return bytes.fromhex(hexadecimal)


def _row(position: int, event: int, about: str | None, hashes: Sequence[bytes]) -> dict[str, Any]:
    return {"position": position, "event": event, "about": about, "nodes": b"".join(hashes).hex()}
