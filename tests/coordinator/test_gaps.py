"""Finished rounds that are asked for again: whether they have gaps."""

from coordinator.requests import gaps
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.order import Order
from tests.coordinator.test_driver import Memory, closed, conduct, record, soup
from tests.memory import registry_of


def ended() -> tuple[Memory, dict[str, Order]]:
    """A registry with a whole round of soup, and its trainings."""
    memory, round = Memory(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    while not (plan := driver.advance()).done:
        memory.answer(plan.orders)
    orders = {id: one for id, one in plan.questions.items() if isinstance(one, Order)}
    return memory, {id: one for id, one in orders.items() if isinstance(one.assignment, FineTune)}


def test_a_whole_round_has_no_gap_and_one_whose_answers_were_taken_back_has() -> None:
    memory, trainings = ended()
    done = record(soup(deadline=None), "done", 2000.0)
    assert gaps(done, registry_of(memory)) == 0
    memory.retract(next(iter(trainings)))
    assert gaps(done, registry_of(memory)) == 1


def test_runs_that_a_deadline_cut_off_are_no_gap_but_a_missing_average_is() -> None:
    memory, round = Memory(), soup(min_runs=3)
    memory.now = 1500.0
    end, _ = closed(memory, round, runs=4)
    reason = conduct(round, memory, "running", 1000.0, 2000.0).ending(end)
    done = record(round, "done", 2500.0).model_copy(update={"reason": reason})
    assert gaps(done, registry_of(memory)) == 0
    run = next(id for id, one in end.questions.items() if isinstance(one, Order) and "run 1 " in one.label)
    memory.retract(run)
    assert gaps(done, registry_of(memory)) == 1
