"""Records are one with their bytes: whatever was asked of them before."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import copy, deepcopy

import pytest

from ratatouille.record import Record, sha256


class Point(Record):
    name: str
    values: tuple[int, ...] = ()


def test_a_digest_is_that_of_the_canonical_bytes() -> None:
    assert Point(name="a", values=(1, 2)).digest == sha256(b'{"name":"a","values":[1,2]}')


def test_a_copy_with_another_value_has_another_digest() -> None:
    first = Point(name="a")
    before = first.digest
    second = first.model_copy(update={"name": "b"})
    assert second.digest == Point(name="b").digest != before
    assert first.digest == before


@pytest.mark.parametrize("copied", [copy, deepcopy, Point.model_copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_asking_for_the_digest_changes_nothing_that_is_seen(copied: Callable[[Point], Point]) -> None:
    asked, other = Point(name="a", values=(3,)), Point(name="a", values=(3,))
    shown = repr(asked), asked.model_dump(), dict(asked), hash(asked)
    assert asked.digest
    assert (repr(asked), asked.model_dump(), dict(asked), hash(asked)) == shown
    assert asked == other
    assert other == asked
    assert asked != Point(name="b", values=(3,))
    assert copied(asked) == other
    assert copied(asked).digest == other.digest
