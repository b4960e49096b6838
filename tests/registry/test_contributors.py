"""Who contributed what, over every kind of registry."""

from __future__ import annotations

import time
from pathlib import Path

from ratatouille.exchange.membership import Offer
from ratatouille.exchange.signing import Signer
from registry.records import LogQuery, Membership
from tests.registry.person import Person
from tests.registry.world import World, featurizer


def test_contributions_are_added_up_by_key(world: World) -> None:
    probed = world.probed()
    first, _ = world.tuned(probed, 1), world.tuned(probed, 2)
    world.work(world.evaluation(first), {})
    (one,) = world.registry.versions.contributors()
    assert (one.node, one.name, one.here) == (world.signer.node, "zoo", False)
    assert (one.imports, one.heads, one.trainings, one.evaluations) == (1, 1, 2, 1)
    assert (one.duplicates, one.rejected, one.retracted) == (0, 0, 0)
    assert one.seconds == 4.0
    assert one.first <= one.last <= time.time()


def test_a_contributor_has_the_name_of_their_last_offer_and_is_here_while_it_stands(world: World) -> None:
    offer = Offer(node=world.signer.node, name="anna", holdings=(), issued=time.time(), seconds=600.0)
    world.registry.work.offer(world.signer.seal(offer))
    (one,) = world.registry.versions.contributors()
    assert (one.name, one.here) == ("anna", True)
    world.leave()
    (one,) = world.registry.versions.contributors()
    assert (one.name, one.here) == ("anna", False)


def test_a_second_answer_counts_as_a_duplicate_and_its_time_does_not(world: World, tmp_path: Path) -> None:
    probed = world.probed()
    receipt, files = world.fine_tune(probed, 2)
    late = World(world.registry, world.folder, Signer.open(tmp_path / "late.key"))
    other, other_files = late.fine_tune(probed, 2, body=featurizer(77), seconds=100.0)
    assert late.lease(other, seconds=0) is not None
    world.work(receipt, files)
    late.registry.weights.push(late.seal(other), other_files)
    first, second = world.registry.versions.contributors()
    assert (first.node, first.trainings, first.duplicates) == (world.signer.node, 1, 0)
    assert (second.node, second.trainings, second.duplicates, second.seconds) == (late.signer.node, 0, 1, 0.0)


def test_all_keys_of_a_member_are_one_contributor_with_name_role_and_state(world: World) -> None:
    owner, anna = Person(world.registry, 1, "olga"), Person(world.registry, 2, "anna")
    anna.joined(owner)
    node = Signer.of_seed(b"n" * 32)
    anna.add_node(node, "attic")
    World(world.registry, world.folder, node).foundation(7, "one")
    new = Person(world.registry, 3, "anna")
    World(world.registry, world.folder, anna.signer).foundation(8, "two")
    anna.rotate(new.signer)
    World(world.registry, world.folder, new.signer).foundation(9, "three")
    found = {one.name: one for one in world.registry.versions.contributors()}
    assert set(found) == {"anna", "zoo"}
    one = found["anna"]
    assert (one.node, one.imports, set(one.keys)) == (anna.key, 3, {anna.key, node.node, new.key})
    assert one.member == Membership(member=anna.key, name="anna", role="contributor", state="active")
    assert (found["zoo"].member, found["zoo"].keys) == (None, ())
    mine = world.registry.work.member([new.key])
    assert mine.members == (one.member,)
    assert [total.count for total in mine.done] == [3]
    made = {entry.id for entry in world.registry.versions.log(LogQuery(contributor="anna"))}
    assert made == {given.version for given in world.registry.work.submissions([anna.key])}
