"""What a report says of admission: who was left out, whose counts choose, and what it costs."""

from ratatouille.analysis.admission import AdmissionReport, admission_report
from ratatouille.exchange.assignment import Cell, Evaluate
from ratatouille.exchange.order import Order
from ratatouille.recipes.round import Round
from tests.ratatouille.recipes.simulation import holder_of, place, run
from tests.ratatouille.recipes.test_gate import SPREAD, gated, target_versions


def told(round: Round, **values: object) -> AdmissionReport:
    found, facts = run(round, **values)  # type: ignore[arg-type]
    return admission_report(round, found, lambda node: node, dict.fromkeys(facts, 2.0))


def test_runs_that_were_left_out_are_named_by_all_their_recipes_with_the_reason() -> None:
    round = gated(recipes=("soup", "trimmed_soup"))
    bad = target_versions(round)[1]
    found = told(round, places={bad: 100 + place(bad)})
    (one,) = found.left_out
    assert one.runs == ("soup run 2", "trimmed_soup run 2")
    assert found.sentences[0].startswith("Not admitted: soup run 2, trimmed_soup run 2 (rejected): the update of its ")


def test_where_one_member_holds_the_data_the_report_says_that_nothing_independent_could_be_counted() -> None:
    found = told(gated())
    assert found.independent == 0
    assert found.self_reported == tuple(f"soup run {number}" for number in range(1, 6))
    assert "Nothing independent could be counted" in " ".join(found.sentences)


def test_where_several_hold_the_data_every_run_is_counted_by_another() -> None:
    found = told(gated(training=SPREAD))
    assert found.independent == 5
    assert not found.self_reported
    assert "Every run was counted by a member who did not train it." in found.sentences


def test_two_nodes_of_one_member_are_not_independent_of_each_other() -> None:
    round = gated(training=SPREAD)
    found, facts = run(round)
    one = {holder_of(share.fingerprint) for share in SPREAD}
    known = admission_report(round, found, lambda node: "eva" if node in one else node, dict.fromkeys(facts, 1.0))
    assert known.independent == 0


def test_the_cost_is_the_share_of_the_nodes_seconds_that_reviews_took() -> None:
    found = told(gated(recipes=("vanilla",)))
    # a probe, five runs with held-out counts, five reviews
    assert found.cost == 5 / 16
    assert "Counting for admission and choice took 31.2 % of the nodes' time." in found.sentences


def test_a_claim_that_differs_from_the_count_is_named_with_both_numbers() -> None:
    round = gated()
    featurizer = next(fact.featurizer for fact in run(round)[1].values() if fact.version == target_versions(round)[2])

    def correct(order: Order, cell: Cell) -> int:
        return 3 if isinstance(order.assignment, Evaluate) and order.assignment.featurizer == featurizer else 10

    (one,) = told(round, correct=correct).differing
    assert (one.run, one.claimed, one.counted) == ("soup run 3", 100.0, 30.0)


def test_a_round_that_chooses_by_own_counts_says_so() -> None:
    found = told(gated().model_copy(update={"counting": "own"}))
    assert "self-reported" in " ".join(found.sentences)
