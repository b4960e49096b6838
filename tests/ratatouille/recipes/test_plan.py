"""METHOD.md as laws of the plan: what starts from what, what is shared, and when it is over."""

from collections import Counter
from dataclasses import replace

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Evaluate, FineTune, Probe
from ratatouille.exchange.order import Order
from ratatouille.recipes.forecast import forecast
from ratatouille.recipes.plan import plan
from ratatouille.recipes.protocol import EMOJI, PAPER
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Share
from tests.ratatouille.recipes.simulation import Answer, a_round, answer_all, name, orders_of, run, trainings


def test_a_round_begins_with_the_heads_that_everything_else_needs() -> None:
    found = plan(a_round(), {})
    assert [order.assignment.kind for order in found.orders.values()] == ["probe"] * 5


def test_twenty_runs_over_five_starts_take_each_start_four_times_and_each_auxiliary_run_once() -> None:
    round = a_round(recipes=("ratatouille",), protocol=PAPER)
    found, facts = run(round)
    runs = [work for work in trainings(found) if work.task == round.task]
    starts = Counter(work.featurizer for work in runs)
    assert starts.pop(round.foundation.featurizer) == 4
    assert sorted(starts.values()) == [1] * 16
    auxiliary = [work for work in trainings(found) if work.task != round.task]
    assert {facts[work.digest].featurizer for work in auxiliary} == set(starts)


def test_with_an_empty_pool_ratatouille_asks_exactly_what_soup_asks() -> None:
    soup, _ = run(a_round("", ("soup",)))
    ratatouille, _ = run(a_round("", ("ratatouille",)))
    # The round's id differs, and is not part of the questions.
    assert list(soup.questions) == list(ratatouille.questions)
    assert soup.outcomes[0].final is not None
    assert soup.outcomes[0].final == ratatouille.outcomes[0].final


def test_runs_are_paired_between_soup_and_ratatouille() -> None:
    round = a_round(recipes=("soup", "ratatouille"), protocol=EMOJI.model_copy(update={"runs": 10}))
    found, _ = run(round)
    runs: dict[int, set[tuple[object, ...]]] = {}
    for work in trainings(found):
        if work.task == round.task:
            drawn = (work.learning_rate, work.weight_decay, work.dropout, work.batch, work.steps)
            runs.setdefault(work.seed, set()).add(drawn)
    assert len(runs) == 10
    assert all(len(values) == 1 for values in runs.values())


def test_every_run_gets_the_head_that_was_probed_on_the_foundation() -> None:
    round = a_round()
    found, facts = run(round)
    probes = [order.assignment for order in orders_of(found, Probe) if isinstance(order.assignment, Probe)]
    probe = next(work for work in probes if work.task == round.task)
    assert probe.featurizer == round.foundation.featurizer
    heads = {work.head for work in trainings(found) if work.task == round.task}
    assert heads == {facts[probe.digest].head}


def test_only_starts_other_than_the_foundation_warm_up_and_auxiliary_runs_keep_the_last_step() -> None:
    round = a_round()
    found, _ = run(round)
    for work in trainings(found):
        assert (work.warmup == 0) == (work.featurizer == round.foundation.featurizer)
        assert work.keep == ("best" if work.task == round.task else "last")


def test_auxiliary_work_is_the_same_in_every_trial_of_the_target() -> None:
    # Target-agnostic and done once: the splits that a trial reshuffles are the target's.
    round = a_round(recipes=("ratatouille",))
    _, facts = run(round)
    _, again = run(round.model_copy(update={"trial": 1}))
    assert len(again.keys() & facts.keys()) == 2 * len(round.auxiliaries)


def test_labels_stay_short_however_many_domains_are_counted() -> None:
    domains = tuple(f"hospital-of-a-long-name-{number}" for number in range(12))
    share = Share(fingerprint=name("data"), domains=domains)
    run(a_round(recipes=("soup",), training=(share, Share(fingerprint=name("other"), domains=domains))))


def test_recipes_share_their_runs() -> None:
    both, _ = run(a_round(recipes=("vanilla", "soup", "ratatouille")))
    # Five runs of vanilla are soup's, and the one that starts from the foundation is ratatouille's too.
    assert both.shared == 6
    assert len([work for work in trainings(both) if work.task == name("shapes")]) == 5 + 4


def test_vanilla_returns_the_first_run_with_the_best_validation_score() -> None:
    round = a_round(recipes=("vanilla",))
    seeds: list[int] = []

    def correct(order: Order, cell: object) -> int:
        work = order.assignment
        if not isinstance(work, FineTune):
            return 0
        if work.seed not in seeds:
            seeds.append(work.seed)
        return 9 if seeds.index(work.seed) in (2, 4) else 3

    found, _ = run(round, correct)
    final = found.outcomes[0].final
    assert final is not None
    assert final.label == "run 3"


def test_a_domain_without_validation_images_does_not_decide_which_run_is_best() -> None:
    round = a_round(recipes=("vanilla",))
    seeds: list[int] = []

    def correct(order: Order, cell: Cell) -> int:
        work = order.assignment
        if isinstance(work, FineTune) and work.seed not in seeds:
            seeds.append(work.seed)
        return 9 if isinstance(work, FineTune) and seeds.index(work.seed) == 2 else 3

    _, facts = run(round, correct)
    empty = {
        work_id: replace(
            fact,
            evaluations=tuple(
                one.model_copy(update={"confusion": ((0, 0), (0, 0))}) if one.cell.domain == "ink" else one
                for one in fact.evaluations
            ),
        )
        for work_id, fact in facts.items()
    }
    final = plan(round, empty).outcomes[0].final
    assert final is not None
    assert final.label == "run 3"


def test_single_runs_and_averages_are_counted_on_the_held_out_domain() -> None:
    found, _ = run(a_round())
    for outcome in found.outcomes:
        assert outcome.final is not None
        assert outcome.final.held_out
        assert all(member.held_out for member in outcome.members)
    assert found.done


def test_domains_spread_over_holdings_balance_starts_and_holdings_and_share_one_averaged_head() -> None:
    shares = tuple(Share(fingerprint=name(f"data {domain}"), domains=(domain,)) for domain in ("clay", "ink"))
    round = a_round("w", ("ratatouille",), EMOJI.model_copy(update={"runs": 8}), training=shares)
    found, _ = run(round)
    assert [one.purpose for one in found.questions.values() if not isinstance(one, Order)] == ["shared_head", "uniform"]
    pairs: Counter[tuple[bool, str]] = Counter()
    for work in trainings(found):
        if work.task == round.task:
            pairs[work.featurizer == round.foundation.featurizer, work.fingerprint] += 1
    assert set(pairs.values()) == {2}
    assert len(pairs) == 4
    # A run is validated on every holding, also on the ones that it did not train on.
    member = found.outcomes[0].members[0]
    assert member.validation is not None
    assert {one.cell.domain for one in member.validation} == {"clay", "ink"}


def test_after_the_deadline_no_training_is_asked_for_and_enough_runs_are_combined() -> None:
    round = a_round(recipes=("soup",), min_runs=3)
    facts: dict[str, Answer] = {}
    answer_all(plan(round, facts), facts)
    runs = list(plan(round, facts).orders)
    answered = plan(round, facts)
    for work_id in runs[3:]:
        del answered.orders[work_id]
    answer_all(answered, facts)
    closing = plan(round, facts, closing=True)
    assert not [order for order in closing.orders.values() if isinstance(order.assignment, FineTune)]
    assert [len(one.parents) for one in closing.combinations.values()] == [3]
    assert not plan(round, facts).combinations


def test_after_the_deadline_too_few_runs_are_not_combined() -> None:
    closing = plan(a_round(recipes=("soup",), min_runs=3), {}, closing=True)
    assert closing.outcomes[0].final is None
    assert not closing.orders


def test_a_forecast_asks_what_the_round_will_ask() -> None:
    round = a_round()
    needed = forecast(round, {})
    found, facts = run(round)
    assert len(needed.orders) == len([one for one in found.questions.values() if isinstance(one, Order)])
    kinds = Counter(order.assignment.kind for order in needed.orders.values())
    assert kinds == {"probe": 5, "fine_tune": 13, "evaluate": len(orders_of(found, Evaluate))}
    again = forecast(round, facts)
    assert again.known == found.questions.keys()
    assert not again.open()


def test_facts_of_other_rounds_count_and_a_repeat_asks_anew() -> None:
    first = a_round(recipes=("soup",))
    _, facts = run(first)
    more = a_round(recipes=("vanilla", "soup", "ratatouille"))
    assert len(forecast(more, facts).open()) < len(forecast(more, {}).open())
    fresh = first.model_copy(update={"repeat": 1})
    assert len(forecast(fresh, facts).open()) == len(forecast(first, {}).open())


def test_an_unknown_recipe_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(Refusal, match="no recipe 'stew'; the recipes are linear_probe, vanilla"):
        recipe_named("stew")
