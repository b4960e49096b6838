"""Merkle trees over a log that only grows (RFC 9162, section 2.1): hashes, proofs, and their verification.

The tree's hash stands for all leaves and their order. A consistency proof shows that a later tree begins with all
leaves of an earlier one; an inclusion proof shows that a leaf is in a tree. Both need about log₂ n hashes for n leaves.

A *perfect* subtree has 2^level leaves and begins at a multiple of that. Its hash never changes. The leaf at a position
completes one perfect subtree for each zero bit at the end of position + 1, and the leaf itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from ratatouille.errors import Refusal

EMPTY = hashlib.sha256().digest()
"""The hash of a tree without leaves."""
Perfect = tuple[int, int]
"""A perfect subtree: its level, and how many of that level are before it."""
Span = tuple[int, int]
"""Leaves from a position up to another one, which is not included; the hash of each span that proofs name is that of a
subtree."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(position: int, leaf: bytes, perfect: Callable[[Perfect], bytes]) -> list[bytes]:
    """The hashes of the perfect subtrees that a leaf completes, itself first.

    Args:
        position: of the leaf; the first has 0.
        leaf: its hash.
        perfect: the hash of a perfect subtree of earlier leaves.
    """
    hashes = [leaf]
    while position >> (len(hashes) - 1) & 1:
        left = (len(hashes) - 1, (position >> (len(hashes) - 1)) - 1)
        hashes.append(node_hash(perfect(left), hashes[-1]))
    return hashes


def siblings(position: int) -> list[Perfect]:
    """The perfect subtrees whose hashes `completed` needs."""
    levels = (~position & (position + 1)).bit_length() - 1
    return [(level, (position >> level) - 1) for level in range(levels)]


def last_leaf(perfect: Perfect) -> int:
    """The position of the leaf that completes a perfect subtree."""
    level, index = perfect
    return ((index + 1) << level) - 1


def perfect_in(span: Span) -> list[Perfect]:
    """The perfect subtrees that a span consists of, the largest first."""
    begin, end = span
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        found.append((level, begin >> level))
        begin += 1 << level
    return found


def joined(hashes: Sequence[bytes]) -> bytes:
    """The hash of a span from those of its perfect subtrees."""
    if not hashes:
        return EMPTY
    *rest, root = hashes
    for one in reversed(rest):
        root = node_hash(one, root)
    return root


def consistency_spans(old: int, new: int) -> list[Span]:
    """The spans whose hashes, in this order, prove that a tree of `new` leaves begins with one of `old` leaves."""
    if not 0 < old < new:
        return []
    return list(_consistency(old, (0, new), whole=True))


def _consistency(old: int, span: Span, whole: bool) -> Iterator[Span]:
    """RFC 9162, 2.1.4.1: SUBPROOF; `whole` says that the old tree's own hash is the one that is needed."""
    begin, end = span
    if old == end - begin:
        if not whole:
            yield span
        return
    middle = begin + _split(end - begin)
    if old <= middle - begin:
        yield from _consistency(old, (begin, middle), whole)
        yield (middle, end)
    else:
        yield from _consistency(old - (middle - begin), (middle, end), whole=False)
        yield (begin, middle)


def inclusion_spans(position: int, size: int) -> list[Span]:
    """The spans whose hashes prove that a leaf is in a tree, from the leaf to the root."""
    begin, end, found = 0, size, list[Span]()
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if position < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin = middle
    return found[::-1]


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the tree of `new` leaves begins with all leaves of the one of `old` leaves."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 <= old < new:
        return False
    if old == 0:
        return old_root == EMPTY and not proof
    rest = list(proof)
    try:
        found = _roots(old, new, old_root, rest)
    except Refusal:
        return False
    return found == (old_root, new_root) and not rest


def _roots(old: int, new: int, known: bytes | None, rest: list[bytes]) -> tuple[bytes, bytes]:
    """The hashes of the old and of the new part of a subtree, from the proof's hashes, which are taken from `rest`."""
    if old == new:
        found = _next(rest) if known is None else known
        return found, found
    left = _split(new)
    if old <= left:
        before, after = _roots(old, left, known, rest)
        return before, node_hash(after, _next(rest))
    before, after = _roots(old - left, new - left, None, rest)
    full = _next(rest)
    return node_hash(full, before), node_hash(full, after)


def is_included(leaf: bytes, position: int, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that a leaf's hash is at this position of a tree."""
    if not 0 <= position < size:
        return False
    spans = inclusion_spans(position, size)
    if len(spans) != len(proof):
        return False
    found = leaf
    for (begin, _), other in zip(spans, proof, strict=True):
        found = node_hash(other, found) if begin < position else node_hash(found, other)
    return found == root


def _next(rest: list[bytes]) -> bytes:
    if not rest:
        raise Refusal("the proof is too short")
    return rest.pop(0)


def _split(size: int) -> int:
    """The largest power of two below a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
