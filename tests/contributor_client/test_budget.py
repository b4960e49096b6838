from __future__ import annotations

from pathlib import Path

import pytest

from contributor_client.order_checks import WEEK, Budget, networks_of
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, Mixture, Weighted
from ratatouille.record import sha256

CELL = Cell(domain="night", split="all")
HERE, ELSEWHERE = sha256(b"here"), sha256(b"elsewhere")


def evaluate(head: str, fingerprint: str = HERE) -> Evaluate:
    return Evaluate(
        architecture=sha256(b"a"),
        task=sha256(b"t"),
        fingerprint=fingerprint,
        image_size=8,
        featurizer=sha256(b"f"),
        head=sha256(head.encode()),
        cells=(CELL,),
    )


def compare(networks: int, ensemble: bool = False) -> Compare:
    part = (Weighted(part=sha256(b"f")),)
    return Compare(
        architecture=sha256(b"a"),
        task=sha256(b"t"),
        fingerprint=HERE,
        image_size=8,
        networks=tuple(Mixture(featurizer=part, head=(Weighted(part=sha256(bytes([n]))),)) for n in range(networks)),
        cells=(CELL,),
        ensemble=ensemble,
    )


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def test_each_network_of_a_comparison_and_its_ensemble_are_counted() -> None:
    assert networks_of(evaluate("one")) == 1
    assert networks_of(compare(40)) == 40
    assert networks_of(compare(40, ensemble=True)) == 41


def test_a_budget_is_for_each_holding_and_is_used_up(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "budget.json", 3, Clock())
    assert [budget.take(evaluate(name)) for name in "abcd"] == [True, True, True, False]
    assert budget.take(evaluate("d", ELSEWHERE))
    assert (budget.left(HERE), budget.left(ELSEWHERE)) == (0, 2)


def test_the_same_question_is_written_down_once(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "budget.json", 1, Clock())
    assert [budget.take(evaluate("a")) for _ in range(3)] == [True] * 3
    assert not budget.take(evaluate("b"))


def test_a_comparison_is_counted_whole_or_not_at_all(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "budget.json", 5, Clock())
    assert not budget.take(compare(6))
    assert budget.left(HERE) == 5
    assert budget.take(compare(5))


def test_what_was_counted_a_week_ago_weighs_no_more(tmp_path: Path) -> None:
    clock = Clock()
    budget = Budget(tmp_path / "budget.json", 2, clock)
    assert budget.take(evaluate("a"))
    clock.now += WEEK / 2
    assert budget.take(evaluate("b"))
    assert not budget.take(evaluate("c"))
    clock.now += WEEK / 2
    assert budget.take(evaluate("c"))
    assert not budget.take(evaluate("d"))


def test_a_new_process_goes_on_with_what_was_spent(tmp_path: Path) -> None:
    assert Budget(tmp_path / "budget.json", 1, Clock()).take(evaluate("a"))
    assert not Budget(tmp_path / "budget.json", 1, Clock()).take(evaluate("b"))


def test_a_ledger_that_cannot_be_read_opens_no_new_budget(tmp_path: Path) -> None:
    (tmp_path / "budget.json").write_text("[")
    with pytest.raises(Refusal, match=r"this ledger cannot be read.*removed, which begins"):
        Budget(tmp_path / "budget.json", 10).take(evaluate("a"))


def test_the_ledger_keeps_no_more_than_a_week(tmp_path: Path) -> None:
    clock = Clock()
    budget = Budget(tmp_path / "budget.json", 100, clock)
    for number in range(200):
        assert budget.take(evaluate(str(number)))
        clock.now += WEEK / 50
    assert (tmp_path / "budget.json").stat().st_size < 10_000
