"""Counts that are owed of versions, after a retraction and when somebody asks; over every implementation."""

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Evaluate, Import
from ratatouille.exchange.membership import Stock, make_offer
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.records import Result
from tests.registry.world import NETWORK, PETS, STOCK, World, featurizer, head


def soup(world: World) -> tuple[Result, Result, Receipt]:
    """A released average with counts; returns a member of it, the average, and the counts."""
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (1, 2, 3)]
    parents = tuple(Parent(version=str(one.version)) for one in members)
    average = world.registry.work.combine(Combination(parents=parents), "r1", "soup")
    counts = world.evaluation(average)
    world.work(counts, {})
    world.maintainer.release(str(average.version))
    return members[0], average, counts


def retracted(world: World) -> tuple[str, Receipt]:
    """After a member was taken back: what took the average's place, and what had been counted of that one."""
    member, _, counts = soup(world)
    world.maintainer.retract(str(member.version), "wrong labels")
    return world.registry.versions.resolve("latest"), counts


def owed_answer(world: World) -> Receipt:
    """What a node answers to the one evaluation that is owed."""
    (owed,) = world.registry.work.obligations()
    work = owed.order.assignment
    assert isinstance(work, Evaluate)
    shown = world.registry.versions.show(owed.version).entry.version
    return world.evaluation(Result(work_id=work.digest, featurizer=shown.featurizer, head=shown.head))


def test_what_was_counted_of_an_average_is_owed_of_the_one_that_takes_its_place(world: World) -> None:
    replacement, counts = retracted(world)
    (owed,) = world.registry.work.obligations()
    asked, before = owed.order.assignment, counts.assignment
    assert isinstance(asked, Evaluate)
    assert isinstance(before, Evaluate)
    assert (owed.version, owed.order.parents) == (replacement, (replacement,))
    shown = world.registry.versions.show(replacement).entry.version
    assert (asked.featurizer, asked.head) == (shown.featurizer, shown.head)
    assert (asked.fingerprint, asked.cells, asked.image_size) == (before.fingerprint, before.cells, before.image_size)


def test_an_alias_that_a_retraction_moved_is_not_evaluated_until_it_is_counted(world: World) -> None:
    replacement, _ = retracted(world)
    assert world.registry.versions.show("latest").entry.not_evaluated
    assert [one.id for one in world.registry.versions.log() if one.not_evaluated] == [replacement]
    assert [move.not_evaluated for move in world.registry.releases.alias_history("latest")] == [True, False]
    world.work(owed_answer(world), {})
    assert world.registry.work.obligations() == []
    assert not world.registry.versions.show("latest").entry.not_evaluated
    assert [move.not_evaluated for move in world.registry.releases.alias_history("latest")] == [False, False]


def test_counts_that_are_taken_back_are_owed_again_and_a_retracted_version_is_owed_nothing(world: World) -> None:
    replacement, _ = retracted(world)
    receipt = owed_answer(world)
    world.work(receipt, {})
    world.maintainer.retract_counts(receipt.digest, "wrong labels")
    assert [one.version for one in world.registry.work.obligations()] == [replacement]
    world.maintainer.retract(replacement, "all of it")
    assert replacement not in [one.version for one in world.registry.work.obligations()]


def test_an_average_that_nobody_counted_is_owed_what_was_counted_of_its_members(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (1, 2, 3)]
    world.work(world.evaluation(members[1]), {})
    world.registry.work.combine(Combination(parents=tuple(Parent(version=str(one.version)) for one in members)))
    world.maintainer.retract(str(members[0].version), "wrong labels")
    assert len(world.registry.work.obligations()) == 1


def test_anybody_may_ask_nodes_for_counts_of_a_version_whose_head_they_made(world: World) -> None:
    tuned = world.tuned(world.probed(), 1)
    world.leave()
    assert world.registry.work.owe(str(tuned.version), 8) == []  # nobody holds the data
    world.offer()
    (owed,) = world.registry.work.owe(str(tuned.version)[:12], 8)
    assert owed == world.registry.work.owe(str(tuned.version), 8)[0]  # once more asks nothing new
    assert isinstance(owed.order.assignment, Evaluate)
    assert {cell.split for cell in owed.order.assignment.cells} == {"test"}
    assert {cell.domain for cell in owed.order.assignment.cells} == set(STOCK.holding.domains)


def test_who_offers_the_same_data_for_another_task_keeps_nobody_from_being_asked(world: World) -> None:
    other = PETS.model_copy(update={"name": "other", "classes": ("left", "right")})
    world.registry.definitions.define_task(other)
    tuned = world.tuned(world.probed(), 1)
    world.offer()
    stranger = Signer.open(world.folder / "stranger.key")
    held = Stock(STOCK.holding.model_copy(update={"task": other.digest, "task_name": "other"}), STOCK.seed)
    world.registry.work.offer(make_offer(stranger, "zzz", [held], seconds=600.0))
    assert len(world.registry.work.owe(str(tuned.version), 8)) == 1


@pytest.mark.parametrize("size", [-1, 0, 2**40])
def test_nodes_are_not_asked_for_images_of_a_size_that_none_has(world: World, size: int) -> None:
    tuned = world.tuned(world.probed(), 1)
    world.offer()
    with pytest.raises(Refusal, match="cannot be asked to count like this: image_size"):
        world.registry.work.owe(str(tuned.version), size)


def test_nodes_are_not_asked_to_count_with_an_imported_head_nor_an_average_of_one(world: World) -> None:
    world.offer()
    start = world.probed()
    tuned = world.tuned(start, 1)
    first, one = world.file(featurizer(7))
    second, two = world.file(head(7))
    work = Import(architecture=NETWORK.digest, featurizer=first, head=second, task=PETS.digest, source="by hand")
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=first, head=second)
    made = world.registry.weights.push(world.seal(receipt), {first: one, second: two})
    parents = tuple(Parent(version=str(one.version)) for one in (tuned, made))
    average = world.registry.work.combine(Combination(parents=parents))
    for version in (made.version, average.version):
        with pytest.raises(Refusal, match=f"the head of version {str(made.version)[:12]}… was imported"):
            world.registry.work.owe(str(version), 8)
    with pytest.raises(Refusal, match="has no head"):
        world.registry.work.owe(world.registry.versions.show(str(start.version)).entry.version.parents[0].version, 8)
    world.maintainer.retract(str(tuned.version), "wrong labels")
    with pytest.raises(Refusal, match="is retracted"):
        world.registry.work.owe(str(tuned.version), 8)
