"""Nothing leaves a node that `check` does not say."""

from __future__ import annotations

import typing
from collections.abc import Iterator

import pytest

from ratatouille.exchange import assignment, leaving
from ratatouille.exchange.confusion import Sparse
from ratatouille.exchange.membership import Lease, LeaseReturn, Offer, OfferWithdrawal, Possession
from ratatouille.exchange.order import Hint, Introduction, OrderReply
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.record import Record
from ratatouille.tasks.holding import ImageLine, holding_of
from ratatouille.tasks.task import Task

SENT: tuple[type[Record], ...] = (
    *(Offer, Possession, OfferWithdrawal, Lease, LeaseReturn),
    *(Receipt, Hint, OrderReply, Introduction, Sealed),
)
"""What a node seals, or sends without a seal."""


def inside(annotation: object) -> Iterator[type[Record]]:
    """Records that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for part in typing.get_args(annotation):
        yield from inside(part)


def reached(kind: type[Record], found: set[type[Record]]) -> set[type[Record]]:
    # what was asked comes from the coordinator, and goes back as it came
    if kind not in found and kind.__module__ != assignment.__name__ and kind is not Sparse:
        found.add(kind)
        for field in kind.model_fields.values():
            for inner in inside(field.annotation):
                reached(inner, found)
    return found


def test_every_field_of_every_record_that_a_node_sends_has_its_words() -> None:
    found: set[type[Record]] = set()
    for kind in SENT:
        reached(kind, found)
    assert {kind.__name__ for kind in found} == {kind.__name__ for kind in leaving.MEANINGS}
    for kind, meanings in leaving.MEANINGS.items():
        assert list(meanings) == list(kind.model_fields), kind.__name__
        assert all(len(words) >= 10 for words in meanings.values())


@pytest.fixture
def offer() -> Offer:
    task = Task(name="pets", kind="target", classes=("cat", "dog"), domains=("photo", "sketch"))
    lines = [
        ImageLine("photo", name, f"{name}{number}", "", "a" * 64) for name in ("cat", "dog") for number in range(9)
    ]
    return Offer(node="b" * 64, name="anna", holdings=(holding_of(task, lines),), issued=1.0)


def test_every_kind_of_value_comes_with_an_example_from_this_node(offer: Offer) -> None:
    rows = leaving.leaving(offer, {"python": "3.11.2"}, "cpu (x86_64)", "Anna", "b" * 64)
    said = {(row.record, row.field): row.example for row in rows}
    assert {field for record, field in said if record == "receipt"} == set(Receipt.model_fields)
    assert said["offer", "name"] == "anna"
    assert said["offer", "node"] == "b" * 64
    assert said["holding", "fingerprint"] == offer.holdings[0].fingerprint
    assert said["holding", "counts"] == offer.model_dump(mode="json")["holdings"][0]["counts"]
    assert said["receipt", "software"] == {"python": "3.11.2"}
    assert said["receipt", "images"] == offer.holdings[0].total(split="train")
    assert said["failure", "code"] == "image-damaged"
    assert said["withdraw", ""] == "Anna"
    assert "127.0.0.1" in [row.example for row in rows if row.record == "connection"]


def test_before_the_first_join_there_is_no_key(offer: Offer) -> None:
    rows = leaving.leaving(offer, {}, "cpu", "Anna")
    assert {row.example for row in rows if row.field == "node"} == {"made at the first join"}
    assert all("b" * 64 not in str(row.example) for row in rows if row.record == "offer" and row.field == "node")
