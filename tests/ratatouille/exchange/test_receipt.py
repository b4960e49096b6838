"""Receipts come from other people: what is absurd in them is refused where they are read."""

from __future__ import annotations

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.membership import Lease
from ratatouille.exchange.receipt import Evaluation


@pytest.mark.parametrize(
    "count", ["1" + "0" * 400, "-1", "1.5", "1e400"], ids=["absurd", "negative", "broken", "infinite"]
)
def test_a_count_that_no_data_set_has_is_refused(count: str) -> None:
    text = '{"cell":{"domain":"photo","split":"test"},"confusion":[[' + count + "]]}"
    with pytest.raises(Refusal, match=r"confusion\.dense\.0\.0"):
        Evaluation.from_json(text)


def test_counts_of_a_large_data_set_are_taken() -> None:
    made = Evaluation(cell=Cell(domain="photo", split="test"), confusion=((10**9, 0), (10**9, 0)))
    assert (made.accuracy, made.balanced_accuracy) == (0.5, 0.5)


@pytest.mark.parametrize("steps", [-1, 10**400], ids=["negative", "absurd"])
def test_progress_that_no_work_has_is_refused(steps: int) -> None:
    text = '{"work_id":"' + "0" * 64 + '","node":"' + "1" * 64 + '","expires":1,"done":' + str(steps) + "}"
    with pytest.raises(Refusal, match="done"):
        Lease.from_json(text)
