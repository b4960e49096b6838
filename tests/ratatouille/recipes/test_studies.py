"""What analyses ask: they come to an end, train nothing twice, and ask for digests and coefficients only."""

from collections import Counter

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, FineTune, KeepLast
from ratatouille.exchange.order import Order
from ratatouille.recipes.plan import forecast, plan
from ratatouille.recipes.protocol import DOMAINBED, EMOJI
from ratatouille.recipes.round import HoldingShare, Round
from ratatouille.recipes.studies import STUDIES, AuxiliariesStudy, SelectionStudy, study_named
from ratatouille.recipes.study_connectivity import POINTS, Curve, shares
from ratatouille.recipes.study_diversity import DiversityStudy
from tests.ratatouille.recipes.simulation import Answer, a_round, answer_all, name, orders_of, run, trainings

POOLS = ("", "w", "wxyz")
RUNS = (1, 2, 5)


def about(kind: str, pool: str = "wxyz", runs: int = 5) -> Round:
    protocol = EMOJI.model_copy(update={"runs": runs})
    return a_round(pool, STUDIES[kind].recipes, protocol, analyses=(kind,))


def comparisons(round: Round) -> list[Compare]:
    found, _ = run(round)
    return [one.assignment for one in orders_of(found, Compare) if isinstance(one.assignment, Compare)]


@pytest.mark.parametrize("kind", STUDIES)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("runs", RUNS)
def test_every_study_ends_and_a_forecast_foresees_its_questions(kind: str, pool: str, runs: int) -> None:
    round = about(kind, pool, runs)
    found, facts = run(round)
    assert found.done
    assert found.studies[kind] is not None
    assert set(facts) == set(found.questions)  # each question was asked once
    needed = forecast(round, {})
    asked = [one for one in found.questions.values() if isinstance(one, Order)]
    if kind != "selection":  # what greedy selection tries depends on scores that nobody can foresee
        assert len(needed.orders) == len(asked)
    assert len(needed.orders) <= len(asked)
    assert not forecast(round, facts).open()


@pytest.mark.parametrize("kind", STUDIES)
def test_studies_take_starts_that_are_there_for_members_of_the_pool(kind: str) -> None:
    round = a_round("w", STUDIES[kind].recipes, EMOJI.model_copy(update={"runs": 3}), analyses=(kind,), starts="x")
    found, _ = run(round)
    assert found.done
    assert {work.task for work in trainings(found)} == {round.task, name("w")}
    mixed = {one.part for work in comparisons(round) for network in work.networks for one in network.featurizer}
    assert (name("x featurizer") in mixed) == (kind == "connectivity")  # hypothesis 1 is of starts themselves
    assert name("x featurizer") in {work.featurizer for work in trainings(found)}


def test_a_study_trains_nothing_that_its_recipes_have_trained() -> None:
    for kind in ("selection", "connectivity"):
        round = about(kind)
        _, known = run(round.model_copy(update={"analyses": ()}))
        more = [order.assignment for order in forecast(round, known).open()]
        trained = [work for work in more if isinstance(work, FineTune)]
        # Connectivity alone wants checkpoints: two of each of two runs.
        assert len(trained) == (4 if kind == "connectivity" else 0)
        assert all(isinstance(work.keep, KeepLast) for work in trained)


def test_all_studies_together_share_their_runs() -> None:
    every = a_round("wx", STUDIES["selection"].recipes, analyses=tuple(STUDIES))
    found, _ = run(every)
    assert found.done
    digests = Counter(work.digest for work in trainings(found))
    assert set(digests.values()) == {1}


def test_a_study_is_unknown_while_an_answer_is_missing() -> None:
    round = about("diversity")
    facts: dict[str, Answer] = {}
    for _ in range(20):
        found = plan(round, facts)
        if found.done:
            break
        assert found.studies["diversity"] is None or found.combinations or found.orders
        answer_all(found, facts)
    assert plan(round, facts).done


def test_curves_between_two_networks_have_their_ends_at_zero_and_one() -> None:
    for work in comparisons(about("connectivity")):
        if len(work.networks) == len(POINTS):
            (first,), (last,) = work.networks[0].featurizer, work.networks[-1].featurizer
            assert first.coefficient == last.coefficient == 1
            for at, network in list(zip(POINTS, work.networks, strict=True))[1:-1]:
                assert [one.part for one in network.featurizer] == [first.part, last.part]
                assert [float(one.coefficient) for one in network.featurizer] == pytest.approx([1 - at, at])


def test_hypothesis_one_mixes_featurizers_below_the_head_of_the_foundation() -> None:
    found, facts = run(about("connectivity"))
    head = facts[next(iter(found.questions))].head
    mixed = [work for work in comparisons(about("connectivity")) if work.networks[5].head[0].part == head]
    assert len(mixed) == 2 * 6  # six pairs of four auxiliary tasks, on two sides
    assert all(len(network.head) == 1 for work in mixed for network in work.networks)


def test_kinds_and_labels_of_curves() -> None:
    found, _ = run(about("connectivity"))
    curves: tuple[Curve, ...] = found.studies["connectivity"]
    assert Counter(curve.kind for curve in curves) == {
        "observation 1": 2,
        "observation 2": 6,
        "hypothesis 1": 6,
        "hypothesis 2": 6,
        "three-way": 3,
    }
    three = next(curve for curve in curves if curve.kind == "three-way")
    assert three.ends == ("w", "x", "y")
    assert three.places == (10, 11, 12)
    assert sum(shares(0.3, 3)) == pytest.approx(1)


def test_diversity_counts_each_run_once_and_averages_with_every_share_that_the_runs_allow() -> None:
    found, _ = run(about("diversity"))
    asked: DiversityStudy = found.studies["diversity"]
    starts = Counter(member.start for member in asked.pool.members)
    assert starts == {"foundation": 5, "w": 1, "x": 1, "y": 1, "z": 1}
    assert len(asked.pairs.means) == 9 * 8 // 2
    for average in asked.mixed.means:
        assert len(set(average.members)) == len(average.members)
    sizes = {len(average.members) for average in asked.mixed.means}
    assert sizes == {2, 4, 8}
    assert [step for step, _ in asked.steps] == [40, 80, 120, 160]


def test_many_runs_ask_for_no_more_than_a_sample_of_pairs_and_orders_stay_small() -> None:
    protocol = DOMAINBED.model_copy(update={"runs": 30})
    found, _ = run(a_round("wxyz", STUDIES["diversity"].recipes, protocol, analyses=("diversity",)))
    asked: DiversityStudy = found.studies["diversity"]
    assert len(asked.pairs.means) == 120
    assert max(len(order.to_json()) for order in orders_of(found, Compare)) < 200_000


def test_figure_6_averages_as_many_runs_for_each_number_of_starts() -> None:
    found, _ = run(about("auxiliaries"))
    asked: AuxiliariesStudy = found.studies["auxiliaries"]
    assert sorted(set(asked.starts)) == [1, 2, 3, 4, 5]
    for average, starts in zip(asked.averages.means, asked.starts, strict=True):
        members = [asked.members[place] for place in average.members]
        assert [member.number for member in members] == list(range(5))
        assert len({member.start for member in members}) == starts
        assert members[0].start == "foundation"
    # With one start they are soup's runs, and with all of them ratatouille's.
    for outcome, average in zip(found.outcomes, (asked.averages.means[0], asked.averages.means[-1]), strict=True):
        versions = [asked.runs[place].version for place in average.members]
        assert [member.version for member in outcome.members] == versions


def test_selection_counts_each_version_once() -> None:
    found, _ = run(about("selection"))
    asked: SelectionStudy = found.studies["selection"]
    versions = [one.version for one in asked.networks]
    assert len(versions) == len(set(versions))
    assert {one.final.version for one in found.outcomes if one.final} <= set(versions)


@pytest.mark.parametrize("kind", STUDIES)
def test_several_holdings_with_many_domains_are_all_counted(kind: str) -> None:
    domains = tuple(f"hospital-of-a-long-name-{number}" for number in range(12))
    held = (
        HoldingShare(fingerprint=name("data"), domains=domains),
        HoldingShare(fingerprint=name("other"), domains=domains),
    )
    round = a_round("wx", STUDIES[kind].recipes, training=held, analyses=(kind,))
    found, _ = run(round)
    assert found.done


@pytest.mark.parametrize("kind", STUDIES)
def test_nothing_held_out_is_nothing_counted_there(kind: str) -> None:
    round = about(kind).model_copy(update={"held_out": (), "evaluation": ()})
    found, _ = run(round)
    assert found.done


def test_an_unknown_analysis_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(Refusal, match="no analysis 'taste'; the analyses are connectivity, diversity"):
        study_named("taste")
