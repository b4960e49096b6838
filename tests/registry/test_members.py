"""Members over every registry: invitations, enrolment, devices, nodes, rotation, lost keys, and revocation."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Retract, Tag
from ratatouille.exchange.member_changes import EndedFlowerKey
from ratatouille.exchange.signing import Signer
from ratatouille.invitation import Invitation, new_secret
from registry.commands.verify import audit
from tests.registry.person import ADDRESS, Person
from tests.registry.world import World


@pytest.fixture
def owner(world: World) -> Person:
    return Person(world.registry, 1, "olga")


@pytest.fixture
def anna(world: World) -> Person:
    return Person(world.registry, 2, "anna")


def flower_key() -> str:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def node_key(seed: int) -> Signer:
    return Signer.of_seed(bytes([seed]) * 32)


def used(owner: Person, invitation: Invitation) -> int:
    return next(one.used for one in owner.registry.members.invitations() if one.id == invitation.id)


def states(person: Person, name: str) -> dict[str, str]:
    return {one.key: one.state for one in person.registry.members.find_member(name).keys}


def said(person: Person) -> list[str]:
    """What the log says of members, without who did it."""
    return [one.text.split(" by ")[0] for one in person.registry.rounds.events() if one.kind == "member"]


def test_a_key_is_entered_once_however_often_it_comes_with_its_invitation(owner: Person, anna: Person) -> None:
    invitation = owner.invite(ADDRESS, name="anna", message="for the leaves")
    first = anna.join(invitation)
    assert (first.member, first.name, first.role, first.state) == (anna.key, "anna", "contributor", "active")
    assert anna.join(invitation) == first
    assert used(owner, invitation) == 1
    assert states(owner, "ANNA") == {anna.key: "active"} == states(owner, anna.key[:8])
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 7 * 24 * 3600))
    assert said(owner) == [f"anna as contributor invited until {day}", "anna joined as contributor"]
    assert invitation.secret not in str(owner.registry.rounds.events())
    assert audit(owner.registry).ok


def test_each_invitation_that_lets_nobody_in_says_why_and_loses_no_use(
    owner: Person, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    short, once, closed, good = (owner.invite(ADDRESS, seconds=seconds) for seconds in (60, 600, 600, 3600))
    Person(owner.registry, 3).join(once)
    owner.revoke_invitation(closed.id)
    tries = [
        (short, 90.0, f"expired on {time.strftime('%Y-%m-%d', time.gmtime(now() + 60))}"),
        (once, 0.0, "is used up"),
        (closed, 0.0, "was revoked by a maintainer"),
        (good.model_copy(update={"registry": "0" * 32}), 0.0, r"is for another registry \(00000000…\)"),
        (good.model_copy(update={"secret": new_secret()}), 0.0, "knows no such invitation"),
    ]
    for invitation, later, why in tries:
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda later=later: now() + later)
            with pytest.raises(Refusal, match=why):
                anna.join(invitation)
    with pytest.raises(Refusal, match="a member is called Person-3 already"):
        anna.enrol(good, "Person-3")
    assert used(owner, good) == 0
    assert [one.state for one in owner.registry.members.invitations()][-3:] == ["revoked", "used", "open"]
    assert anna.join(good).state == "active"
    assert anna.join(short).name == "anna"  # a member who comes again is one already


def test_a_member_who_must_be_approved_signs_nothing_until_a_maintainer_approves(
    owner: Person, anna: Person, world: World
) -> None:
    invitation = owner.invite(ADDRESS, approve=True, uses=2)
    assert anna.join(invitation).state == "waiting" == anna.join(invitation).state
    node = World(world.registry, world.folder, anna.signer)
    with pytest.raises(Refusal, match="waits until a maintainer approves"):
        node.offer()
    assert owner.approve(anna.key).state == "active" == owner.approve(anna.key).state
    node.offer()
    assert anna.join(invitation).state == "active"
    assert used(owner, invitation) == 1


def test_another_device_is_the_same_member_and_each_of_them_may_be_revoked(owner: Person, anna: Person) -> None:
    anna.joined(owner)
    laptop = Person(owner.registry, 20, "laptop")
    invitation = anna.invite_device(ADDRESS)
    assert laptop.join(invitation).member == anna.key == laptop.join(invitation).member
    with pytest.raises(Refusal, match="is used up"):
        Person(owner.registry, 21).join(invitation)
    laptop.add_node(node_key(5), "attic")
    anna.add_node(node_key(6), "cellar")
    assert anna.revoke(anna.key, laptop.key, "stolen").keys == (laptop.key, node_key(5).node)
    expected = {anna.key: "active", laptop.key: "revoked", node_key(5).node: "revoked", node_key(6).node: "active"}
    assert states(owner, "anna") == expected
    with pytest.raises(Refusal, match=r"of anna was revoked on \d{4}"):
        laptop.join(invitation)
    with pytest.raises(Refusal, match="of anna was revoked"):
        laptop.invite_device(ADDRESS)
    assert audit(owner.registry).ok


def test_a_node_is_known_by_its_key_and_what_it_shows_to_flower(owner: Person, anna: Person) -> None:
    anna.joined(owner)
    first, second, third = flower_key(), flower_key(), flower_key()
    assert anna.add_node(node_key(5), "attic", first) == anna.add_node(node_key(5), "attic", first)
    assert [(one.node, one.flower, one.name) for one in owner.registry.members.flower_keys()] == [
        (node_key(5).node, first, "attic")
    ]
    ben = Person(owner.registry, 3, "ben").joined(owner)
    with pytest.raises(Refusal, match="shows the same key to Flower"):
        ben.add_node(node_key(6), "barn", first)
    with pytest.raises(Refusal, match="not as a node of ben"):
        ben.add_node(node_key(5), "barn")
    anna.add_node(node_key(5), "attic", second)
    assert [one.flower for one in owner.registry.members.flower_keys()] == [second]
    owner.set_role(anna.key, "reader")
    assert owner.registry.members.flower_keys() == []
    with pytest.raises(Refusal, match="anna is a reader, whose nodes do not work"):
        anna.add_node(node_key(7), "loft")
    owner.set_role(anna.key, "contributor")
    assert owner.registry.members.flower_keys() == []
    for member, key, name in ((anna, node_key(5), "attic"), (anna, node_key(7), "loft"), (ben, node_key(6), "barn")):
        with pytest.raises(EndedFlowerKey, match="has ended, and Flower never takes it again"):
            member.add_node(key, name, second)
    anna.add_node(node_key(5), "attic", third)
    assert [one.flower for one in owner.registry.members.flower_keys()] == [third]
    anna.revoke(anna.key)
    with pytest.raises(EndedFlowerKey):
        ben.add_node(node_key(6), "barn", third)


def test_a_rotated_key_is_dead_and_both_are_one_person(owner: Person, anna: Person, world: World) -> None:
    anna.joined(owner)
    anna.add_node(node_key(5), "attic")
    old_work = World(world.registry, world.folder, anna.signer).foundation(7, "anna's first")
    new = Person(world.registry, 30, "anna")
    assert anna.rotate(new.signer).member == anna.key == anna.rotate(new.signer).member
    assert states(owner, "anna") == {anna.key: "replaced", node_key(5).node: "active", new.key: "active"}
    with pytest.raises(Refusal, match=rf"was replaced by {new.key[:12]}… on"):
        anna.invite_device(ADDRESS)
    new.add_node(node_key(5), "attic")
    World(world.registry, world.folder, new.signer).foundation(8, "anna's second")
    mine = {one.version for one in world.registry.work.submissions([new.key])}
    assert {old_work.version} < mine
    assert len(mine) == 2
    assert new.join(owner.invite(ADDRESS)).member == anna.key
    assert audit(world.registry).ok


def test_a_maintainer_links_a_new_key_in_place_of_a_lost_one(owner: Person, anna: Person) -> None:
    anna.joined(owner)
    anna.add_node(node_key(5), "attic")
    new = Person(owner.registry, 30, "anna")
    assert owner.link(anna.key, new.key, anna.key, "the disk broke").member == anna.key
    owner.link(anna.key, new.key, anna.key)
    assert states(owner, "anna") == {anna.key: "revoked", node_key(5).node: "revoked", new.key: "active"}
    assert new.join(owner.invite(ADDRESS)).member == anna.key
    assert said(owner)[-2].startswith(f"key {new.key[:12]}… linked to anna in place of {anna.key[:12]}…")


def test_a_revocation_ends_everything_at_once_and_names_what_the_member_gave(
    owner: Person, anna: Person, world: World
) -> None:
    invitation = owner.invite(ADDRESS, uses=5)
    anna.join(invitation)
    anna.add_node(node_key(5), "attic", flower_key())
    work = World(world.registry, world.folder, node_key(5))
    work.offer()
    done = work.tuned(world.probed(), 4)
    question, _ = work.fine_tune(world.probed(), 9)
    work.offer()
    assert work.lease(question) is not None
    ended = owner.revoke(anna.key, message="wrong labels")
    assert (ended.member.state, ended.leases, ended.offers, ended.invitations) == ("revoked", 1, 1, 1)
    assert (ended.admitted, [one.version for one in ended.contributions]) == (1, [done.version])
    assert world.registry.members.flower_keys() == []
    assert node_key(5).node not in {one.node for one in world.registry.work.offers()}
    assert world.registry.work.leases() == []
    taking_back = anna.signer.seal(Retract(version=str(done.version), message="not good", at=time.time()))
    again = owner.revoke(anna.key)
    assert (again.member, again.leases, again.admitted) == (ended.member, 0, 1)
    for refused in (
        work.offer,
        lambda: work.lease(question),
        lambda: work.foundation(77, "more"),
        lambda: anna.join(invitation),
        lambda: anna.add_node(node_key(6), "loft"),
        lambda: world.registry.releases.tag(
            anna.signer.seal(Tag(name="mine", version=str(done.version), at=time.time()))
        ),
        lambda: world.registry.releases.retract(taking_back),
        lambda: world.registry.releases.retract(taking_back, dry_run=True),
    ):
        with pytest.raises(Refusal, match="of anna was revoked on"):
            refused()
    with pytest.raises(Refusal, match="was revoked by a maintainer"):
        Person(world.registry, 66).join(invitation)
    with pytest.raises(Refusal, match="which is for ever"):
        owner.set_role(anna.key, "owner")
    assert audit(world.registry).ok
