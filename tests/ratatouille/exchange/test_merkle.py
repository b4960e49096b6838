from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from ratatouille.exchange.merkle import (
    EMPTY,
    Perfect,
    Span,
    completed,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    is_included,
    joined,
    last_leaf,
    leaf_hash,
    node_hash,
    perfect_in,
    siblings,
)

# The inputs, roots and proofs of the reference implementation of RFC 6962 (Certificate Transparency).
INPUTS = [
    bytes.fromhex(one)
    for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION: dict[tuple[int, int], list[str]] = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY: dict[tuple[int, int], list[str]] = {
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
SIZES = range(1, 34)


def direct(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word by word: the oracle."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1
    while 2 * left < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + direct(leaves[:left]) + direct(leaves[left:])).digest()


class Stored:
    """The perfect subtrees of a log, as a registry keeps them: in the row of the leaf that completes them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.rows: list[list[bytes]] = []
        for position, data in enumerate(leaves):
            self.rows.append(completed(position, leaf_hash(data), self.perfect))

    def perfect(self, one: Perfect) -> bytes:
        return self.rows[last_leaf(one)][one[0]]

    def of(self, span: Span) -> bytes:
        return joined([self.perfect(one) for one in perfect_in(span)])

    def proof(self, spans: Sequence[Span]) -> list[bytes]:
        return [self.of(span) for span in spans]


def leaves(count: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(count)]


def test_roots_are_those_of_the_reference_implementation() -> None:
    stored = Stored(INPUTS)
    assert [stored.of((0, size)).hex() for size in range(1, 9)] == ROOTS
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("position", "size"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference_implementation(position: int, size: int) -> None:
    proof = Stored(INPUTS).proof(inclusion_spans(position, size))
    assert [one.hex() for one in proof] == INCLUSION[position, size]
    assert is_included(leaf_hash(INPUTS[position]), position, size, bytes.fromhex(ROOTS[size - 1]), proof)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference_implementation(old: int, new: int) -> None:
    proof = Stored(INPUTS).proof(consistency_spans(old, new))
    assert [one.hex() for one in proof] == CONSISTENCY[old, new]
    assert is_consistent(old, bytes.fromhex(ROOTS[old - 1]), new, bytes.fromhex(ROOTS[new - 1]), proof)


def test_a_proof_holds_for_every_pair_of_sizes_and_only_with_its_own_hashes() -> None:
    stored = Stored(leaves(SIZES[-1]))
    for new in SIZES:
        root = stored.of((0, new))
        assert root == direct(leaves(new))
        for old in range(1, new + 1):
            before, proof = stored.of((0, old)), stored.proof(consistency_spans(old, new))
            assert len(proof) <= new.bit_length() + 1
            assert is_consistent(old, before, new, root, proof), (old, new)
            assert not is_consistent(old, bytes(32), new, root, proof)
            assert not is_consistent(old, before, new, bytes(32), proof)
            assert not is_consistent(old, before, new, root, [*proof, bytes(32)])
            for place in range(len(proof)):
                assert not is_consistent(old, before, new, root, proof[:place] + proof[place + 1 :])
                assert not is_consistent(old, before, new, root, [*proof[:place], bytes(32), *proof[place + 1 :]])


def test_every_leaf_is_included_where_it_stands_and_nowhere_else() -> None:
    stored = Stored(leaves(SIZES[-1]))
    for size in SIZES:
        root = stored.of((0, size))
        for position in range(size):
            own, proof = leaf_hash(leaves(size)[position]), stored.proof(inclusion_spans(position, size))
            assert is_included(own, position, size, root, proof), (position, size)
            assert not is_included(bytes(32), position, size, root, proof)
            assert not is_included(own, position, size, bytes(32), proof)
            assert not is_included(own, size, size, root, proof)
            assert size == 1 or not is_included(own, position ^ 1, size, root, proof)


def test_a_history_that_was_changed_before_its_old_end_has_no_proof() -> None:
    honest, forged = Stored(leaves(20)), Stored([*leaves(4), b"forged", *leaves(20)[5:]])
    for old in range(5, 20):
        proof = forged.proof(consistency_spans(old, 20))
        assert not is_consistent(old, honest.of((0, old)), 20, forged.of((0, 20)), proof)
    assert is_consistent(4, honest.of((0, 4)), 20, forged.of((0, 20)), forged.proof(consistency_spans(4, 20)))


def test_an_empty_log_begins_every_log_and_a_longer_one_begins_no_shorter_one() -> None:
    root = Stored(leaves(3)).of((0, 3))
    assert is_consistent(0, EMPTY, 3, root, [])
    assert not is_consistent(0, bytes(32), 3, root, [])
    assert not is_consistent(3, root, 2, direct(leaves(2)), [])
    assert not is_consistent(-1, root, 2, direct(leaves(2)), [])


def test_a_leaf_needs_only_the_subtrees_that_it_completes() -> None:
    assert siblings(0) == siblings(6) == []
    assert siblings(7) == [(0, 6), (1, 2), (2, 0)]
    stored = Stored(leaves(64))
    assert sum(len(row) for row in stored.rows) == 2 * 64 - 1
    for position, row in enumerate(stored.rows):
        assert len(row) == len(siblings(position)) + 1
    assert stored.rows[1][1] == node_hash(leaf_hash(b"entry 0"), leaf_hash(b"entry 1"))
