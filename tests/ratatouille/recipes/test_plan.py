"""docs/method.md §3 and §7 as laws of the plan: what starts from what, what is shared, and when it is over."""

import math
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace

import pytest

from ratatouille.analysis.report import report
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, FineTune, Import, Probe
from ratatouille.exchange.dialect import BFLOAT16, NUMERICS
from ratatouille.exchange.order import Order
from ratatouille.exchange.version import Combination
from ratatouille.recipes.plan import forecast, plan
from ratatouille.recipes.protocol import DOMAINBED, EMOJI, REFERENCE
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.recipe import RECIPES, recipe_named
from ratatouille.recipes.round import Given, HoldingShare, Round, Start
from tests.ratatouille.recipes.simulation import Answer, a_round, answer_all, holder_of, name, orders_of, run, trainings


def test_a_round_begins_with_the_heads_that_everything_else_needs() -> None:
    found = plan(a_round(), {})
    assert [order.assignment.kind for order in found.orders.values()] == ["probe"] * 5


def test_twenty_runs_over_five_starts_take_each_start_four_times_and_each_auxiliary_run_once() -> None:
    round = a_round(recipes=("ratatouille",), protocol=DOMAINBED)
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
        assert work.keep.kind == ("best" if work.task == round.task else "last")


def test_auxiliary_work_is_the_same_in_every_trial_of_the_target() -> None:
    # Target-agnostic and done once: the splits that a trial reshuffles are the target's.
    round = a_round(recipes=("ratatouille",))
    _, facts = run(round)
    _, again = run(round.model_copy(update={"trial": 1}))
    assert len(again.keys() & facts.keys()) == 2 * len(round.auxiliaries)


def test_labels_stay_short_however_many_domains_are_counted() -> None:
    domains = tuple(f"hospital-of-a-long-name-{number}" for number in range(12))
    share = HoldingShare(fingerprint=name("data"), domains=domains)
    run(a_round(recipes=("soup",), training=(share, HoldingShare(fingerprint=name("other"), domains=domains))))


def test_gentler_auxiliary_runs_are_other_questions_and_change_nothing_in_those_on_the_target() -> None:
    round = a_round(recipes=("soup", "ratatouille"))
    gentle = round.protocol.model_copy(update={"auxiliary_steps": 40, "auxiliary_rate_factor": 0.5})
    before, _ = run(round)
    after, _ = run(round.model_copy(update={"protocol": gentle}))
    for first, second in zip(trainings(before), trainings(after), strict=True):
        if first.task == round.task:
            assert second == first.model_copy(update={"featurizer": second.featurizer})
        else:
            assert second == first.model_copy(update={"steps": 40, "learning_rate": first.learning_rate / 2})


def test_a_precision_is_asked_of_trainings_only() -> None:
    round = a_round(recipes=("soup", "ratatouille", "greedy_ratatouille"))
    found, _ = run(round.model_copy(update={"protocol": round.protocol.model_copy(update={"precision": "bfloat16"})}))
    asked = [one.assignment for one in found.questions.values() if isinstance(one, Order)]
    assert {work.numerics for work in asked if isinstance(work, FineTune)} == {BFLOAT16}
    assert {work.numerics for work in asked if not isinstance(work, FineTune | Import)} == {NUMERICS}


def test_a_start_that_is_there_is_taken_in_turn_and_trains_no_auxiliary_task() -> None:
    round = a_round("xz", recipes=("ratatouille",), protocol=EMOJI.model_copy(update={"runs": 8}), starts="y")
    found, _ = run(round)
    starts = Counter(work.featurizer for work in trainings(found) if work.task == round.task)
    assert starts[name("y featurizer")] == starts[round.foundation.featurizer] == 2
    assert {work.task for work in trainings(found)} == {round.task, name("x"), name("z")}
    # In ascending order of names, whether it is trained here or there already: foundation, x, y, z.
    second = [work for work in trainings(found) if work.featurizer == name("y featurizer")]
    sown = {work.seed: number for number, work in enumerate(runs_by_number(round))}
    assert sorted(sown[work.seed] for work in second) == [2, 6]
    # Warmed up as every start that is not the foundation.
    assert {work.warmup for work in second} == {round.protocol.warmup}
    orders = [order for order in found.questions.values() if isinstance(order, Order) and order.assignment in second]
    assert all(order.parents[0] == name("y version") for order in orders)


def runs_by_number(round: Round) -> list[FineTune]:
    """The runs of soup, which has the same seeds in the order of their numbers."""
    return trainings(run(round.model_copy(update={"recipes": ("soup",)}))[0])


def test_a_start_asks_what_a_round_asks_that_trained_it() -> None:
    # So the runs from a start that an earlier round made are that round's.
    round = a_round("y", recipes=("ratatouille",))
    found, facts = run(round)
    trained = next(facts[work.digest] for work in trainings(found) if work.task != round.task)
    start = Start(version=str(trained.version), featurizer=str(trained.featurizer))
    later = a_round("", recipes=("ratatouille",)).model_copy(update={"starts": (Given(name="y", start=start),)})
    assert not forecast(later, facts).open()


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe != "linear_probe"])
def test_every_recipe_takes_starts_that_are_there(recipe: str) -> None:
    found, _ = run(a_round("", recipes=(recipe,), starts="xy"))
    assert found.outcomes[0].final is not None
    assert all(work.task == name("shapes") for work in trainings(found))
    starts = {work.featurizer for work in trainings(found)}
    uses = recipe == "inter_training" or "ratatouille" in recipe
    assert (name("x featurizer") in starts) == uses


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


def test_no_sum_of_floats_decides_between_runs_that_are_level() -> None:
    # (0.1 + 0.7) / 2 and (0.3 + 0.5) / 2 differ in the last bit, and the first of equals is the lowest number
    seeds: list[int] = []

    def correct(order: Order, cell: Cell) -> int:
        work = order.assignment
        if not isinstance(work, FineTune):
            return 0
        if work.seed not in seeds:
            seeds.append(work.seed)
        return {1: (1, 7), 3: (3, 5)}.get(seeds.index(work.seed), (1, 1))[work.domains.index(cell.domain)]

    found, _ = run(a_round(recipes=("vanilla",)), correct)
    assert found.outcomes[0].final is not None
    assert found.outcomes[0].final.label == "run 2"


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
    shares = tuple(HoldingShare(fingerprint=name(f"data {domain}"), domains=(domain,)) for domain in ("clay", "ink"))
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


EVERY = tuple(RECIPES)


def test_every_recipe_comes_to_an_end_with_counts() -> None:
    found, _ = run(a_round(recipes=EVERY))
    assert found.done
    for outcome in found.outcomes:
        assert outcome.final is not None
        assert outcome.final.validation
        assert outcome.final.held_out
        assert (outcome.final.version is None) == outcome.recipe.endswith("ensemble")


def test_all_recipes_together_train_each_distinct_run_once() -> None:
    round = a_round(recipes=EVERY)
    found, _ = run(round)
    on_target = [work for work in trainings(found) if work.task == round.task]
    # soup's five runs, four of ratatouille's, five each of the moving average, SWAD and fusing
    assert len(on_target) == 5 + 4 + 5 + 5 + 5
    assert len({work.digest for work in on_target}) == len(on_target)


def test_wise_ft_trains_nothing_and_mixes_the_linear_probe_with_each_run_of_vanilla() -> None:
    round = a_round(recipes=("vanilla", "wise_ft"))
    found, facts = run(round)
    alone, _ = run(a_round(recipes=("vanilla",)))
    assert trainings(found) == trainings(alone)
    head = next(facts[order.assignment.digest].version for order in orders_of(found, Probe))
    runs = [facts[work.digest].version for work in trainings(found)]
    mixes = [one for one in found.questions.values() if isinstance(one, Combination)]
    assert [[parent.version for parent in mix.parents] for mix in mixes] == [[head, one] for one in runs]
    assert {parent.coefficient for mix in mixes for parent in mix.parents} == {0.5}


def combined(found: RoundPlan) -> list[Combination]:
    return [one for one in found.questions.values() if isinstance(one, Combination)]


def test_a_trimmed_soup_has_soup_s_runs_and_the_protocol_s_share() -> None:
    protocol = EMOJI.model_copy(update={"runs": 5, "trimmed_share": 0.4})
    found, _ = run(a_round(recipes=("soup", "trimmed_soup"), protocol=protocol))
    soup, trimmed = combined(found)
    assert (trimmed.parents, trimmed.purpose) == (soup.parents, "trimmed")
    assert (trimmed.method, trimmed.parameters) == ("trimmed_mean", {"share": 0.4})
    assert found.shared == 5
    pooled, _ = run(a_round(recipes=("trimmed_soup",), protocol=protocol, pool_trials=3))
    assert [len(one.parents) for one in combined(pooled)] == [15]


def test_a_share_is_left_out_of_protocols_that_have_the_usual_one() -> None:
    assert b"trimmed_share" not in EMOJI.to_json()
    assert b"trimmed_share" in EMOJI.model_copy(update={"trimmed_share": 0.0}).to_json()


def test_a_balanced_ratatouille_counts_each_author_once_and_names_who_made_which_run() -> None:
    shares = tuple(HoldingShare(fingerprint=name(f"data {domain}"), domains=(domain,)) for domain in ("clay", "ink"))
    round = a_round("w", ("ratatouille", "balanced_ratatouille"), EMOJI.model_copy(update={"runs": 5}), training=shares)
    found, _ = run(round)
    plain, balanced = combined(found)[-2:]
    assert [parent.version for parent in balanced.parents] == [parent.version for parent in plain.parents]
    made = {order.assignment.digest: order.assignment for order in orders_of(found, FineTune)}
    holders = [holder_of(made[member.work_id].fingerprint) for member in found.outcomes[1].members]  # type: ignore[union-attr]
    assert (balanced.method, balanced.authors) == ("balanced_mean", holders)
    counts = Counter(holders)
    assert sorted(counts.values()) == [2, 3]
    assert [parent.coefficient for parent in balanced.parents] == [6 // counts[holder] for holder in holders]


def test_with_one_run_of_each_contributor_a_balanced_ratatouille_is_ratatouille() -> None:
    shares = tuple(HoldingShare(fingerprint=name(f"data {domain}"), domains=(domain,)) for domain in ("clay", "ink"))
    round = a_round("", ("ratatouille", "balanced_ratatouille"), EMOJI.model_copy(update={"runs": 2}), training=shares)
    found, _ = run(round)
    plain, balanced = combined(found)[-2:]
    assert plain.parents == balanced.parents
    assert len(set(balanced.authors)) == 2


def test_inter_training_and_ratatouille_have_the_same_runs() -> None:
    # "Ratatouille is to inter-training what soups are to vanilla fine-tuning."
    found, _ = run(a_round(recipes=("inter_training", "ratatouille")))
    assert found.outcomes[0].members == found.outcomes[1].members


def test_fusing_mixes_the_foundation_and_one_run_of_every_auxiliary_task_anew_for_each_run() -> None:
    round = a_round(recipes=("fusing",))
    found, facts = run(round)
    mixes = [one for one in found.questions.values() if isinstance(one, Combination)]
    auxiliary = {facts[work.digest].version for work in trainings(found) if work.task != round.task}
    assert len(mixes) == len({mix.digest for mix in mixes}) == 5
    for mix in mixes:
        assert mix.parts == "featurizer"
        assert {parent.version for parent in mix.parents} == {round.foundation.version, *auxiliary}
        assert sum(parent.coefficient for parent in mix.parents) == pytest.approx(1)
        assert max(parent.coefficient for parent in mix.parents) < math.exp(4) * min(
            parent.coefficient for parent in mix.parents
        )
    assert all(work.warmup for work in trainings(found) if work.task == round.task)


def test_fusing_without_auxiliary_tasks_is_vanilla() -> None:
    fusing, _ = run(a_round("", ("fusing",)))
    vanilla, _ = run(a_round("", ("vanilla",)))
    assert list(fusing.questions) == list(vanilla.questions)


def greedy_of(accuracy: Callable[[int], int], mean: Callable[[tuple[int, ...]], int]) -> tuple[int, ...]:
    """Numbers of the runs that greedy keeps, when run n and means of runs are right on so many of ten images."""
    numbers: dict[str, int] = {}

    def correct(order: Order, cell: Cell) -> int:
        work = order.assignment
        if isinstance(work, FineTune):
            number = numbers.setdefault(name(work.digest + "f"), len(numbers))
            return accuracy(number)
        if isinstance(work, Compare):
            return mean(tuple(sorted(numbers[one.part] for one in work.networks[0].featurizer)))
        return 0

    found, facts = run(a_round(recipes=("greedy_soup",)), correct)
    versions = {facts[work.digest].version: numbers[name(work.digest + "f")] for work in trainings(found)}
    chosen = [one for one in found.questions.values() if isinstance(one, Combination)]
    if not chosen:
        assert found.outcomes[0].final is not None
        return (versions[found.outcomes[0].final.version],)
    return tuple(sorted(versions[parent.version] for parent in chosen[0].parents))


def test_greedy_takes_runs_in_the_order_of_their_scores_and_keeps_those_that_do_not_hurt() -> None:
    scores = (5, 8, 6, 8, 7)  # so the order is 1, 3, 4, 2, 0
    means = {(1, 3): 8, (1, 3, 4): 7, (1, 2, 3): 9, (0, 1, 2, 3): 9}
    asked: list[tuple[int, ...]] = []

    def mean(members: tuple[int, ...]) -> int:
        asked.append(members)
        return means[members]

    # (1, 3) is as good as the first: kept; 4 hurts; 2 helps; 0 does not hurt.
    assert greedy_of(scores.__getitem__, mean) == (0, 1, 2, 3)
    assert list(dict.fromkeys(asked)) == [(1, 3), (1, 3, 4), (1, 2, 3), (0, 1, 2, 3)]


def test_greedy_that_nothing_helps_is_the_best_run_and_no_new_version() -> None:
    assert greedy_of((5, 8, 6, 7, 7).__getitem__, lambda members: 1) == (1,)


def test_pooled_trials_are_one_average_of_all_their_runs_each_with_the_head_of_its_own_trial() -> None:
    round = a_round(recipes=("soup", "vanilla"), pool_trials=3)
    found, facts = run(round)
    soup, vanilla = found.outcomes
    assert len(soup.members) == 15
    assert len(vanilla.members) == 5
    assert [len(one.parents) for one in found.questions.values() if isinstance(one, Combination)] == [15]
    assert soup.final is not None
    assert soup.final.validation == ()  # its runs were trained on each other's validation images
    assert soup.final.held_out
    heads = {work.trial: facts[work_id].head for work_id, work in probes_of(found)}
    assert len(heads) == 3
    assert {(work.trial, work.head) for work in trainings(found)} == set(heads.items())


def probes_of(found: RoundPlan) -> list[tuple[str, Probe]]:
    orders = [(work_id, order) for work_id, order in found.questions.items() if isinstance(order, Order)]
    return [(work_id, order.assignment) for work_id, order in orders if isinstance(order.assignment, Probe)]


def test_short_work_goes_out_first_and_what_others_wait_for_before_the_rest() -> None:
    round = a_round()
    facts: dict[str, Answer] = {}
    answer_all(plan(round, facts), facts)
    open_now = [order.assignment for order in plan(round, facts).orders.values()]
    kinds = [
        "short" if not isinstance(work, FineTune) else "auxiliary" if work.task != round.task else "target"
        for work in open_now
    ]
    assert kinds == sorted(kinds, key=["short", "auxiliary", "target"].index)
    assert set(kinds) == {"short", "auxiliary", "target"}


def test_the_reference_protocol_probes_one_head_for_all_trials() -> None:
    # its validation images may be among those that the head was probed on; `domainbed` has a head for each trial
    for protocol, heads in ((DOMAINBED, 3), (REFERENCE, 1)):
        few = protocol.model_copy(update={"runs": 2})
        found, _ = run(a_round(recipes=("soup",), protocol=few, pool_trials=3))
        assert len(probes_of(found)) == heads


def test_a_forecast_of_every_recipe_asks_as_much_as_the_round_at_most() -> None:
    round = a_round(recipes=EVERY)
    needed = forecast(round, {})
    found, _ = run(round)
    orders = [one for one in found.questions.values() if isinstance(one, Order)]
    assert len(needed.orders) == len(orders)
    assert len(needed.combinations) == len(found.questions) - len(orders)


def test_a_linear_probe_that_was_probed_in_another_trial_is_validated_in_its_own() -> None:
    few = REFERENCE.model_copy(update={"runs": 1})
    round = a_round(recipes=("linear_probe",), protocol=few).model_copy(update={"trial": 2})
    found, _ = run(round)
    evaluations = [order.assignment for order in orders_of(found, Evaluate)]
    assert {work.trial for work in evaluations if isinstance(work, Evaluate)} == {2}
    assert len(evaluations) == 2  # the validation split of trial 2, and the held-out domain


def test_an_auxiliary_task_that_is_spread_over_holdings_is_trained_on_each_of_them() -> None:
    shares = tuple(HoldingShare(fingerprint=name(f"data {domain}"), domains=(domain,)) for domain in ("clay", "ink"))
    whole = a_round("w", ("ratatouille",), EMOJI.model_copy(update={"runs": 8}))
    spread = whole.model_copy(
        update={"auxiliaries": tuple(one.model_copy(update={"shares": shares}) for one in whole.auxiliaries)}
    )
    for round, holdings in ((whole, 1), (spread, 2)):
        found, facts = run(round)
        auxiliary = [work for work in trainings(found) if work.task != round.task]
        assert len({work.fingerprint for work in auxiliary}) == len(auxiliary) == holdings
        heads = {work.head for work in auxiliary}  # each holding's own probe
        assert len(heads) == holdings
        starts = Counter(work.featurizer for work in trainings(found) if work.task == round.task)
        assert sorted(starts.values()) == sorted([4, *[4 // holdings] * holdings])
        assert {facts[work.digest].featurizer for work in auxiliary} < set(starts)


@pytest.mark.parametrize("recipe", RECIPES)
def test_trainings_that_tell_no_counts_stop_no_plan(recipe: str) -> None:
    """A node whose budget of counts is used up trains on and tells nothing of it."""
    round = a_round("wx", (recipe,), EMOJI.model_copy(update={"runs": 3}))
    facts: dict[str, Answer] = {}
    for _ in range(50):
        found = plan(round, facts)
        if not found.orders and not found.combinations:
            break
        answer_all(found, facts)
        for work_id, order in found.orders.items():
            if isinstance(order.assignment, FineTune):
                facts[work_id] = replace(facts[work_id], evaluations=())
    else:
        raise AssertionError("the plan does not come to an end")
    assert len(found.outcomes) == 1


def closed_run(round: Round) -> tuple[str, dict[str, Answer]]:
    """A run that nobody will do, as everybody who could has closed it; and the facts when all else is answered."""
    found, facts = run(round)
    work_id = next(id for id, one in found.questions.items() if isinstance(one, Order) and "soup run 2" in one.label)
    del facts[work_id]
    return work_id, facts


def test_a_run_that_everybody_has_closed_is_left_out_of_the_average_and_said() -> None:
    round = a_round(recipes=("soup",))
    work_id, facts = closed_run(round)
    waiting = plan(round, facts)
    assert work_id in waiting.orders
    assert waiting.outcomes[0].final is None
    without = plan(round, facts, closed={work_id})
    assert without.lacking.keys() == {work_id}
    assert without.orders == {}
    (combination,) = without.combinations.values()
    assert len(combination.parents) == 4
    answer_all(without, facts)
    answer_all(plan(round, facts, closed={work_id}), facts)
    done = plan(round, facts, closed={work_id})
    assert done.done
    assert (len(done.outcomes[0].members), done.outcomes[0].wanted) == (4, 5)


def test_a_closed_start_leaves_out_the_runs_that_begin_there_and_a_forecast_knows_it() -> None:
    round = a_round(recipes=("ratatouille",))
    found = plan(round, {})
    head = next(id for id, one in found.orders.items() if one.label == "head of w")
    forecasted = forecast(round, {}, {head})
    labels = [order.label for order in forecasted.orders.values()]
    assert [order.label for order in forecasted.lacking.values()] == ["head of w"]
    assert "w run 1" not in labels
    assert sum(label.startswith("ratatouille run") for label in labels) == 4


def test_an_answer_outlives_that_its_question_was_closed_later() -> None:
    round = a_round(recipes=("soup",))
    found, facts = run(round)
    again = plan(round, facts, closed=found.questions.keys())
    assert again.lacking == {}
    assert again.done


def test_a_round_without_its_head_has_nothing_to_combine() -> None:
    round = a_round(recipes=("soup",))
    (head,) = plan(round, {}).orders
    without = plan(round, {}, closed={head})
    assert without.done
    assert without.outcomes[0].final is None


def kept_their_start(found: RoundPlan, facts: dict[str, Answer], numbers: Collection[int]) -> None:
    """Answer, and let the target runs with these seeds' places return the weights that they were given."""
    answer_all(found, facts)
    runs = [one.assignment for one in found.orders.values() if isinstance(one.assignment, FineTune)]
    for place, work in enumerate(runs):
        if place in numbers:
            facts[work.digest] = replace(facts[work.digest], featurizer=work.featurizer, head=work.head)


@pytest.mark.parametrize(("members", "averaged"), [(True, 3), (False, 2)])
def test_a_run_that_kept_step_0_is_marked_and_the_protocol_says_whether_it_is_a_member(
    members: bool, averaged: int
) -> None:
    protocol = EMOJI.model_copy(update={"runs": 3, "untrained_members": members})
    round = a_round("", ("soup",), protocol)
    facts: dict[str, Answer] = {}
    for _ in range(20):
        found = plan(round, facts)
        if not found.orders and not found.combinations:
            break
        kept_their_start(found, facts, {1})
    (outcome,) = found.outcomes
    assert [run.untrained for run in outcome.members] == [False, True, False]
    (average,) = [one for one in found.questions.values() if isinstance(one, Combination)]
    assert len(average.parents) == averaged
    assert report(round, found.outcomes).rows[0].untrained == 1


def test_where_no_run_trained_all_are_members() -> None:
    round = a_round("", ("soup",), EMOJI.model_copy(update={"runs": 2, "untrained_members": False}))
    facts: dict[str, Answer] = {}
    for _ in range(20):
        found = plan(round, facts)
        if not found.orders and not found.combinations:
            break
        kept_their_start(found, facts, {0, 1})
    assert found.outcomes[0].final is not None


def test_the_value_for_runs_that_kept_step_0_is_left_out_of_a_record_where_it_is_as_in_the_paper() -> None:
    assert b"untrained_members" not in EMOJI.to_json()
    assert b"untrained_members" in EMOJI.model_copy(update={"untrained_members": False}).to_json()
