"""What a member's keys gave and what became of it, over every kind of registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from tests.registry.person import Person
from tests.registry.world import STOCK, World, featurizer


def test_shares_of_all_keys_are_summed_exactly_for_each_release(world: World, tmp_path: Path) -> None:
    probed = world.probed()
    other = World(world.registry, world.folder, Signer.open(tmp_path / "other.key"))
    runs = [world.tuned(probed, 1), world.tuned(probed, 2), other.tuned(probed, 3)]
    parents = tuple(Parent(version=str(one.version)) for one in runs)
    average = world.registry.work.combine(Combination(parents=parents))
    world.maintainer.release(str(average.version), "stable")
    world.maintainer.release(str(runs[2].version), "theirs")
    (mine,) = world.registry.work.member([world.signer.node]).released
    assert (mine.alias, mine.version, mine.versions, mine.exact) == ("stable", average.version, 2, "2/3")
    both = world.registry.work.member([world.signer.node, other.signer.node])
    assert [(one.alias, one.versions, one.exact) for one in both.released] == [("stable", 3, "1"), ("theirs", 1, "1")]
    assert both.more_aliases is False


def test_contributions_are_counted_by_kind_task_and_state_and_those_not_taken_say_why(
    world: World, tmp_path: Path
) -> None:
    probed = world.probed()
    wrong = world.tuned(probed, 1)
    receipt, files = world.fine_tune(probed, 2)
    late = World(world.registry, world.folder, Signer.open(tmp_path / "late.key"))
    other, other_files = late.fine_tune(probed, 2, body=featurizer(77))
    assert late.lease(other, seconds=0) is not None
    world.work(receipt, files)
    late.registry.weights.push(late.seal(other), other_files)
    world.maintainer.retract(str(wrong.version), "wrong labels")
    mine = world.registry.work.member([world.signer.node])
    assert [(one.kind, one.task_name, one.state, one.count) for one in mine.done] == [
        ("fine_tune", "pets", "admitted", 1),
        ("fine_tune", "pets", "retracted", 1),
        ("import", None, "admitted", 1),
        ("probe", "pets", "admitted", 1),
    ]
    assert [(one.state, one.reason, one.version) for one in mine.not_taken] == [
        ("retracted", "wrong labels", wrong.version)
    ]
    (duplicate,) = world.registry.work.member([late.signer.node]).not_taken
    assert (duplicate.state, duplicate.task_name, duplicate.reason) == ("duplicate", "pets", "")


def test_data_is_offered_while_the_offer_stands(world: World) -> None:
    world.offer(STOCK)
    found = world.registry.work.member([world.signer.node, "0" * 64])
    assert [(one.name, one.here) for one in found.keys] == [("zoo", True), (None, False)]
    assert [(one.node, one.task_name, one.trains) for one in found.offered] == [(world.signer.node, "pets", True)]
    world.leave()
    found = world.registry.work.member([world.signer.node])
    assert (found.keys[0].name, found.keys[0].here, found.offered) == ("zoo", False, ())


def test_a_limited_number_of_keys_is_asked_for(world: World) -> None:
    with pytest.raises(Refusal, match="1001 keys are asked for at once"):
        world.registry.work.member([f"{number:064x}" for number in range(1001)])


def test_the_nodes_that_hold_data_are_known_by_name_after_they_left(world: World) -> None:
    world.offer(STOCK)
    fingerprint = STOCK.holding.fingerprint
    (held,) = world.registry.work.holders([fingerprint])
    assert (held.name, held.node, held.task_name, held.here) == ("zoo", world.signer.node, "pets", True)
    world.leave()
    (held,) = world.registry.work.holders([fingerprint, "0" * 64])
    assert (held.name, held.here) == ("zoo", False)
    assert world.registry.work.holders([]) == []


def test_a_node_whose_member_was_revoked_is_known_as_revoked(world: World) -> None:
    owner = Person(world.registry, 1, "owner")
    anna = Person(world.registry, 2, "anna").joined(owner)
    anna.add_node(world.signer, "zoo")
    world.offer(STOCK)
    assert [one.revoked for one in world.registry.work.holders([STOCK.holding.fingerprint])] == [False]
    owner.revoke(anna.key, None, "gone")
    (held,) = world.registry.work.holders([STOCK.holding.fingerprint])
    assert (held.name, held.here, held.revoked) == ("zoo", False, True)
