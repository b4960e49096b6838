"""The gate in the plan: what it asks, what it leaves out, and that rounds without it are what they were."""

from collections.abc import Sequence

import numpy as np
import pytest

from ratatouille.exchange.assignment import Cell, Compare, Evaluate
from ratatouille.exchange.inspection import Inspected
from ratatouille.exchange.order import Order
from ratatouille.exchange.version import Combination
from ratatouille.recipes.admission import Known, Verdict
from ratatouille.recipes.plan import forecast, plan
from ratatouille.recipes.protocol import EMOJI
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.recipe import RECIPES
from ratatouille.recipes.round import HoldingShare, Round
from ratatouille.recipes.studies import STUDIES
from tests.ratatouille.recipes.simulation import (
    Answer,
    a_round,
    answer_all,
    inspect,
    name,
    orders_of,
    place,
    run,
    trainings,
)

SPREAD = tuple(HoldingShare(fingerprint=name(f"data {domain}"), domains=(domain,)) for domain in ("clay", "ink"))


def gated(**values: object) -> Round:
    given = {"recipes": ("soup",)} | values
    return a_round(**given).model_copy(update={"admission": "gate", "counting": "independent"})  # type: ignore[arg-type]


def reviews(found: RoundPlan) -> list[Compare]:
    asked = [order.assignment for order in orders_of(found, Compare)]
    return [work for work in asked if isinstance(work, Compare) and work.about is not None]


def target_versions(round: Round) -> list[str]:
    """Versions of the target runs, in the order in which they are asked for."""
    found, facts = run(round)
    return [str(facts[work.digest].version) for work in trainings(found) if work.task == round.task]


def test_a_round_without_a_gate_is_the_record_that_it_was() -> None:
    round = a_round()
    assert round.id == "ae96afa6de4cd608"
    assert round.model_copy(update={"admission": "off", "counting": "own"}).id == round.id
    assert gated().id != a_round(recipes=("soup",)).id


def test_a_gate_asks_no_other_trainings_evaluations_or_averages_than_a_round_without() -> None:
    recipes = ("linear_probe", "vanilla", "soup", "ratatouille")
    without, _ = run(a_round(recipes=recipes))
    found, _ = run(gated(recipes=recipes))
    assert without.questions.keys() < found.questions.keys()
    more = [found.questions[id] for id in found.questions.keys() - without.questions.keys()]
    assert all(isinstance(one, Combination) or isinstance(one.assignment, Compare) for one in more)
    assert [one.purpose for one in more if isinstance(one, Combination)] == ["reference"]
    assert [outcome.final and outcome.final.version for outcome in found.outcomes] == [
        outcome.final and outcome.final.version for outcome in without.outcomes
    ]
    assert found.shared == without.shared
    assert found.done


def test_nothing_is_averaged_or_counted_by_others_before_every_run_is_there() -> None:
    round = gated()
    facts: dict[str, Answer] = {}
    answer_all(plan(round, facts), facts)
    runs = plan(round, facts)
    del runs.orders[next(iter(runs.orders))]
    answer_all(runs, facts)
    waiting = plan(round, facts)
    assert not waiting.inspections
    assert not waiting.combinations
    assert not reviews(waiting)
    closing = plan(round.model_copy(update={"min_runs": 2}), facts, closing=True)
    assert len(closing.inspections) == 1


def test_every_run_is_counted_once_beside_its_start_the_reference_and_the_lines_between() -> None:
    round = gated(recipes=("vanilla", "soup", "ratatouille"))
    found, facts = run(round)
    asked = reviews(found)
    assert sorted(str(work.about) for work in asked) == sorted(target_versions(round))
    (reference,) = [
        one for one in found.questions.values() if isinstance(one, Combination) and one.purpose == "reference"
    ]
    assert [parent.version for parent in reference.parents] == sorted(target_versions(round))
    for work in asked:
        heads = {term.part for network in work.networks for term in network.head}
        assert facts[reference.work_id].head in heads
        assert work.pairs
        assert len(work.networks) == 5


def test_a_node_knows_every_head_of_a_review_as_that_of_a_version_of_the_order() -> None:
    found, facts = run(gated(recipes=("ratatouille",)))
    made = {fact.version: fact.head for fact in facts.values()}
    for order in orders_of(found, Compare):
        assert isinstance(order.assignment, Compare)
        known = {made.get(version) for version in order.parents}
        assert {term.part for network in order.assignment.networks for term in network.head} <= known


def test_a_run_beyond_the_limits_is_in_no_average_and_in_no_reference_and_is_named() -> None:
    round = gated()
    bad = target_versions(round)[2]
    found, _ = run(round, places={bad: 100 + place(bad)})
    (outcome,) = found.outcomes
    assert [one.version for one in outcome.left_out] == [bad]
    assert outcome.left_out[0].label == "soup run 3"
    assert outcome.left_out[0].state == "rejected"
    assert len(outcome.members) == 4
    combined = [one for one in found.questions.values() if isinstance(one, Combination)]
    assert all(bad not in [parent.version for parent in one.parents] for one in combined)
    assert bad not in [work.about for work in reviews(found)]
    assert found.done
    assert found.verdicts[bad].state == "rejected"


def bad_at(versions: Sequence[str], facts_of: Round) -> object:
    """Counts by which these versions recognise nothing, and all else half."""
    _, facts = run(facts_of)
    featurizers = {facts[id].featurizer for id in facts if facts[id].version in versions}

    def correct(order: Order, cell: Cell) -> int:
        work = order.assignment
        return 0 if isinstance(work, Evaluate) and work.featurizer in featurizers else 5

    return correct


def test_a_run_that_others_count_as_worse_than_its_start_is_quarantined_whatever_it_claims() -> None:
    round = gated(protocol=EMOJI.model_copy(update={"runs": 5}))
    bad = target_versions(round)[1]
    found, _ = run(round, bad_at([bad], round))  # type: ignore[arg-type]
    (outcome,) = found.outcomes
    assert [(one.version, one.state) for one in outcome.left_out] == [(bad, "quarantined")]
    assert found.verdicts[bad].evidence["claimed"] == 50.0
    assert found.verdicts[bad].evidence["counted"] == 0.0


def test_a_maintainer_s_decision_goes_before_the_gate_s_verdict() -> None:
    round = gated()
    first, second, *_ = target_versions(round)
    decided = {first: Verdict("quarantined", "we look at it", by="maintainer")}
    decided[second] = Verdict("admitted", "it is known", by="maintainer")
    found, _ = run(round, places={second: 100 + place(second)}, decisions=decided)
    assert [one.version for one in found.outcomes[0].left_out] == [first]
    assert found.verdicts[second].by == "maintainer"


def test_one_bad_run_changes_nothing_of_the_verdicts_on_the_others() -> None:
    round = gated(recipes=("soup", "ratatouille"))
    bad = target_versions(round)[0]
    without, _ = run(round, decisions={bad: Verdict("rejected")}, places={bad: 100 + place(bad)})
    for factor in (-1e3, 1e3, 3e38):
        found, _ = run(round, places={bad: np.full(len(place(bad)), factor)})
        others = {id: verdict for id, verdict in found.verdicts.items() if id != bad}
        assert others == {id: verdict for id, verdict in without.verdicts.items() if id != bad}
        assert [one.final for one in found.outcomes] == [one.final for one in without.outcomes]


def test_where_several_hold_the_target_each_run_is_counted_on_what_it_was_not_trained_on() -> None:
    round = gated(training=SPREAD, recipes=("vanilla", "greedy_soup"), protocol=EMOJI.model_copy(update={"runs": 4}))
    found, facts = run(round)
    trained = {facts[work.digest].version: work.fingerprint for work in trainings(found) if work.task == round.task}
    assert {work.fingerprint for work in trainings(found) if work.task == round.task} == {s.fingerprint for s in SPREAD}
    for work in reviews(found):
        assert work.fingerprint != trained[work.about]
    best = found.outcomes[0].final
    assert best is not None
    assert {one.cell.domain for one in best.validation or ()}.isdisjoint(best.own.domains if best.own else ())


def test_runs_that_are_counted_on_different_domains_are_compared_with_what_is_usual_there() -> None:
    # clay is easy and ink is hard: a plain score would choose whichever is counted on clay
    round = gated(training=SPREAD, recipes=("vanilla",), protocol=EMOJI.model_copy(update={"runs": 4}))
    better = target_versions(round)[0]
    _, facts = run(round)
    featurizer = next(fact.featurizer for fact in facts.values() if fact.version == better)

    def correct(order: Order, cell: Cell) -> int:
        usual = 8 if cell.domain == "clay" else 3
        return usual + (isinstance(order.assignment, Evaluate) and order.assignment.featurizer == featurizer)

    final = run(round, correct)[0].outcomes[0].final
    assert final is not None
    assert final.version == better


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_comes_to_an_end_with_a_gate_and_its_forecast_says_what_it_will_ask(recipe: str) -> None:
    round = gated(recipes=(recipe,), pool_trials=2 if recipe in ("soup", "ratatouille") else 1)
    found, facts = run(round)
    assert found.done
    assert found.outcomes[0].complete
    assert not found.outcomes[0].left_out
    needed = forecast(round, {})
    asked = [one for one in found.questions.values() if isinstance(one, Order)]
    assert len(needed.orders) == len(asked)
    assert len(needed.combinations) == len(found.questions) - len(asked)
    assert forecast(round, facts).known >= {one.assignment.digest for one in asked}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_goes_without_a_run_that_was_not_admitted(study: str) -> None:
    round = gated(recipes=STUDIES[study].recipes, analyses=(study,))
    bad = target_versions(round)[1]
    found, _ = run(round, places={bad: 100 + place(bad)})
    assert found.studies[study] is not None
    assert found.done


def test_independent_counts_without_a_gate_are_asked_for_each_run_alone() -> None:
    round = gated(recipes=("vanilla",)).model_copy(update={"admission": "off"})
    found, _ = run(round)
    assert [len(work.networks) for work in reviews(found)] == [1] * 5
    assert not found.verdicts
    final = found.outcomes[0].final
    assert final is not None
    assert final.counted_by
    assert not final.claimed


def test_where_nobody_counts_the_receipts_own_counts_choose_and_are_marked() -> None:
    round = gated(recipes=("vanilla", "greedy_soup"))
    facts: dict[str, Answer] = {}
    inspected: dict[str, Inspected] = {}
    for _ in range(20):
        closed = {id for id, one in plan(round, facts, known=Known(inspected)).questions.items() if _is_review(one)}
        found = plan(round, facts, closed=closed, known=Known(inspected))
        answer_all(found, facts)
        inspected |= {id: inspect(asked) for id, asked in found.inspections.items()}
    assert found.done
    assert all(outcome.final is not None for outcome in found.outcomes)
    assert found.outcomes[0].final is not None
    assert found.outcomes[0].final.claimed


def _is_review(one: object) -> bool:
    return isinstance(one, Order) and isinstance(one.assignment, Compare) and one.assignment.about is not None
