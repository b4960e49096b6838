"""Leave-one-out of averages over every kind of registry: what is asked, who counts it, and what is said of it."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from contributor_client.order_checks import Origins
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Mixture, Weighted
from ratatouille.exchange.version import Combination, Parent
from ratatouille.weights.combine import Term, combine_files
from registry.credit import questions
from registry.records import Credit, Obligation, Result
from tests.registry.credited import ATTIC, BEN, CELLAR, HOLDER, IMAGES, SKETCHES, Federation
from tests.registry.world import FINGERPRINT, NETWORK, PETS, World


def compared(owed: Obligation) -> Compare:
    assert isinstance(owed.order.assignment, Compare)
    return owed.order.assignment


def on(owed: list[Obligation], fingerprint: str) -> list[Obligation]:
    return [one for one in owed if compared(one).fingerprint == fingerprint]


def bits(world: World, network: Mixture) -> tuple[str, str]:
    """The digests of the parts that a node makes of a mixture."""

    def made(terms: tuple[Weighted, ...], part: str) -> str:
        tensors = NETWORK.part(part, len(PETS.classes))  # type: ignore[arg-type]
        files = [Term(one.part, Path(world.registry.weights.fetch(one.part)), one.coefficient) for one in terms]
        return combine_files(files, tensors, io.BytesIO()) if len(files) > 1 else terms[0].part

    return made(network.featurizer, "featurizer"), made(network.head, "head")


def parts(result: Result) -> tuple[str, str]:
    return str(result.featurizer), str(result.head)


def credit(federation: Federation, average: Result | None = None) -> Credit:
    return federation.world.registry.versions.credit(str((average or federation.average).version))


@pytest.mark.parametrize("method", ["mean", "balanced_mean", "trimmed_mean"])
def test_the_average_of_the_others_is_the_combination_made_of_them_from_scratch(world: World, method: str) -> None:
    keys = [ATTIC.node, CELLAR.node, BEN.node]
    values: dict[str, Any] = {}
    if method != "mean":
        values = {"authors": keys} if method == "balanced_mean" else {"share": 0.2}
    federation = Federation(world, method, **values)
    three = federation.runs[2]
    owed = federation.ask()
    for each in owed:
        Origins(world.registry).check(each.order)  # a node counts with these heads
    counted = {bits(world, network) for each in owed for network in compared(each).networks}

    def scratch(*places: int) -> tuple[str, str]:
        some = [federation.runs[place] for place in places]
        more = {"authors": [keys[place] for place in places]} if "authors" in values else values
        return parts(federation.combined(some, method, **more))

    assert counted == {
        parts(federation.average),
        parts(three),  # without anna, who has two nodes
        scratch(0, 1),  # without ben
        scratch(1, 2),  # without the first contribution
        scratch(0, 2),
    }


def test_an_average_of_averages_is_one_mean_of_its_members(world: World) -> None:
    federation = Federation(world)
    one, two, three = federation.runs
    inner = federation.combined([one, two])
    outer = federation.combined([inner, three], counts=(1, 1))
    owed = federation.ask(outer)
    networks = {bits(world, network) for each in owed for network in compared(each).networks}
    assert parts(federation.combined([two, three], counts=(1, 2))) in networks
    assert parts(federation.combined([one, two])) in networks
    rows = {row.versions: row.exact for row in credit(federation, outer).contributions}
    assert rows == {(str(one.version),): "1/4", (str(two.version),): "1/4", (str(three.version),): "1/2"}


def test_held_out_domains_are_counted_whole_and_trained_ones_on_test_images(world: World) -> None:
    federation = Federation(world)
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    owed = federation.ask()
    (elsewhere,) = on(owed, SKETCHES.holding.fingerprint)
    assert [(cell.domain, cell.split) for cell in compared(elsewhere).cells] == [("sketch", "all")]
    for one in on(owed, FINGERPRINT):
        assert [(cell.domain, cell.split) for cell in compared(one).cells] == [("photo", "test"), ("sketch", "all")]
    assert federation.ask() == owed  # once more asks nothing new


def test_where_only_contributors_hold_the_data_each_part_can_be_counted_by_another_one(world: World) -> None:
    federation = Federation(world)
    owed = on(federation.ask(), FINGERPRINT)
    makers = [set(one.makers) for one in owed]
    assert sorted(makers, key=len) == [{BEN.node}, {ATTIC.node, CELLAR.node, federation.anna}]
    federation.at(HOLDER).offer(name="holder")  # holds the same, and made nothing
    assert len(on(federation.ask(), FINGERPRINT)) == 3
    (whole,) = (one for one in on(federation.ask(), FINGERPRINT) if len(one.makers) == 4)
    assert len(compared(whole).networks) == 5


def test_values_places_and_effects_are_those_of_the_counts(world: World) -> None:
    federation = Federation(world)
    for node in (ATTIC, CELLAR, BEN):
        federation.at(node).leave()
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    (owed,) = federation.ask()
    without = {bits(world, network): place for place, network in enumerate(compared(owed).networks)}
    ben, anna = without[parts(federation.combined(federation.runs[:2]))], without[parts(federation.runs[2])]
    federation.answer(owed, HOLDER, lambda place, _: range({0: 80, anna: 60, ben: 82}.get(place, 79)))
    found = credit(federation)
    assert (found.basis, found.accuracy, found.questions, found.answered) == ("held_out", 0.8, 1, 1)
    assert found.networks == 5
    first, second = found.contributors
    assert (first.names, first.exact, first.effect) == (("anna",), "2/3", "helps")
    assert first.gain is not None
    assert first.gain.value == pytest.approx(0.2)
    assert (first.gain.low, first.gain.high) == pytest.approx((0.1167, 0.2755), abs=1e-4)
    assert first.gain.self_reported is False
    assert (second.contributors, second.effect) == ((federation.ben,), "unclear")
    assert second.gain is not None
    assert second.gain.value == pytest.approx(-0.02)
    assert [(row.first_place, row.last_place) for row in found.contributors] == [(1, 1), (2, 2)]
    assert first.own is None  # nobody has counted photos


def test_differences_that_noise_could_show_give_no_order(world: World) -> None:
    federation = Federation(world)
    for node in (ATTIC, CELLAR, BEN):
        federation.at(node).leave()
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    (owed,) = federation.ask()
    federation.answer(owed, HOLDER, lambda place, _: range(80 - place))
    found = credit(federation)
    assert {(row.first_place, row.last_place, row.effect) for row in found.contributors} == {(1, 2, "unclear")}


def test_own_counts_are_marked_and_give_no_place_where_others_have_such_images(world: World) -> None:
    federation = Federation(world)
    federation.at(CELLAR).leave()
    federation.at(BEN).leave()
    (owed,) = federation.ask()
    federation.answer(owed, ATTIC, lambda place, _: range(90 if place == 0 else 50))
    found = {row.names[0]: row for row in credit(federation).contributors}
    anna, ben = found["anna"], found[credit(federation).contributors[0].names[0]]
    assert (anna.gain, anna.first_place) == (None, None)
    assert "only its own nodes have counted it" in anna.reason
    assert {one.self_reported for one in anna.domains} == {True}
    assert anna.own is not None
    assert anna.own.self_reported
    assert ben.contributors == (federation.ben,)
    assert ben.gain is not None
    assert not ben.gain.self_reported
    # now another one has the data: the comparison is asked anew, and not of anna
    federation.at(HOLDER).offer(name="holder")
    (again,) = federation.ask()
    assert compared(again) == compared(owed).model_copy(update={"repeat": 1})
    federation.answer(again, HOLDER, lambda place, _: range(80 if place == 0 else 70))
    row = next(row for row in credit(federation).contributors if row.names == ("anna",))
    assert row.gain is not None
    assert row.gain.value == pytest.approx(0.1)
    assert (row.gain.self_reported, row.gain.images) == (False, IMAGES)


def test_counts_of_the_only_holder_count_and_are_marked(world: World) -> None:
    federation = Federation(world)
    anna = federation.combined(federation.runs[:2])
    world.leave()
    federation.at(BEN).leave()
    owed = federation.ask(anna)
    federation.answer(owed[0], CELLAR, lambda place, _: range(90 if place == 0 else 50))
    (row,) = credit(federation, anna).contributors
    assert (row.gain, row.reason) == (None, "none of its parents is left")
    assert all(one.domains for one in credit(federation, anna).contributions)


def test_only_averages_that_nodes_count_have_credit(world: World) -> None:
    federation = Federation(world)
    one = federation.runs[0]
    with pytest.raises(Refusal, match="is no average"):
        federation.ask(one)
    mix = world.registry.work.combine(
        Combination(
            parents=(
                Parent(version=str(one.version), coefficient=0.5),
                Parent(version=str(federation.runs[2].version), coefficient=0.5),
            )
        )
    )
    assert federation.ask(mix) == []
    assert {row.reason for row in credit(federation, mix).contributors} == {
        "it is a mix with chosen coefficients, which means nothing without one of its parts"
    }
    assert "nobody has asked" in credit(federation).contributors[0].reason


def test_what_is_owed_for_credit_does_not_make_a_version_uncounted(world: World) -> None:
    federation = Federation(world)
    average = str(federation.average.version)
    world.work(world.evaluation(federation.average), {})
    world.maintainer.retract(str(federation.runs[0].version), "wrong labels")
    replacement = world.registry.versions.show(average).taken_back
    assert replacement is not None
    assert replacement.replacement is not None
    (owed,) = world.registry.work.obligations()
    work = owed.order.assignment
    about = world.registry.versions.show(replacement.replacement).entry.version
    world.work(world.evaluation(Result(work_id=work.digest, featurizer=about.featurizer, head=about.head)), {})
    world.maintainer.release(replacement.replacement)
    world.registry.work.owe_credit(replacement.replacement, 8)
    assert world.registry.work.obligations() != []
    assert not world.registry.versions.show("latest").entry.not_evaluated


def test_many_contributions_are_asked_about_in_several_small_questions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "TOGETHER", 2)
    federation = Federation(world)
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    lots = on(federation.ask(), SKETCHES.holding.fingerprint)
    if world.registry.info().database:  # in this process
        assert [len(compared(one).networks) for one in lots] in ([3, 3], [5])
    for one in lots:
        federation.answer(one, HOLDER, lambda place, _: range(80 - 5 * place))
    assert all(row.gain is not None for row in credit(federation).contributions)


def test_reading_answers_takes_little_memory(world: World) -> None:
    federation = Federation(world)
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    for one in federation.ask():
        federation.answer(one, HOLDER if one.makers else BEN, lambda place, _: range(80 - place))
    credit(federation)
    tracemalloc.start()
    credit(federation)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * 2**20
