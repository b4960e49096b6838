"""Members over every registry: invitations, enrolment, devices, nodes, rotation, lost keys, and revocation."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import invitation_id
from ratatouille.invitation import new_secret
from tests.registry.person import Person
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


def used(owner: Person, secret: str) -> int:
    return next(one.used for one in owner.registry.members.invitations() if one.id == invitation_id(secret))


def test_a_key_is_entered_once_however_often_it_comes_with_its_invitation(owner: Person, anna: Person) -> None:
    secret = owner.invite(name="anna")
    first = anna.enrol(secret)
    assert (first.member, first.name, first.role, first.state) == (anna.key, "anna", "contributor", "active")
    assert anna.enrol(secret) == first
    assert used(owner, secret) == 1
    (member,) = owner.registry.members.members()
    assert [(key.key, key.kind, key.state) for key in member.keys] == [(anna.key, "device", "active")]
    kinds = [(event.kind, event.text) for event in owner.registry.rounds.events() if event.kind == "member"]
    assert [text.split(" by ")[0] for _, text in kinds] == [
        f"anna as contributor invited until {time.strftime('%Y-%m-%d', time.gmtime(time.time() + 3600))}",
        "anna joined as contributor",
    ]
    assert secret not in str(kinds)


def test_each_invitation_that_lets_nobody_in_says_why_and_loses_no_use(
    owner: Person, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben, cleo = Person(owner.registry, 3), Person(owner.registry, 4)
    short = owner.invite(expires=time.time() + 60)
    once = owner.invite()
    ben.enrol(once)
    closed = owner.invite()
    owner.revoke_invitation(closed)
    good = owner.invite()
    said = []
    for secret, values in (
        (once, {}),
        (good, {"registry": "0" * 32}),
        (closed, {}),
        (good, {"at": time.time() + 360}),
        (new_secret(), {}),
    ):
        with pytest.raises(Refusal) as caught:
            anna.enrol(secret, **values)
        said.append(str(caught.value))
    now = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + 90)
        with pytest.raises(Refusal) as caught:
            anna.enrol(short)
    said.append(str(caught.value))
    assert [
        word in one
        for word, one in zip(
            ("used up", "another registry", "revoked", "6 min ahead", "no such", "expired"), said, strict=True
        )
    ] == [True] * 6
    assert len(set(said)) == 6
    assert [one.state for one in owner.registry.members.invitations()] == ["open", "revoked", "used", "open"]
    with pytest.raises(Refusal, match="6 min behind"):
        anna.enrol(good, at=time.time() - 360)
    with pytest.raises(Refusal, match="called Person-3 already"):
        anna.enrol(good, name="Person-3")
    assert used(owner, good) == 0
    assert anna.enrol(good, at=time.time() + 240).state == "active"
    with pytest.raises(Refusal, match="used up"):
        cleo.enrol(good)


def test_a_member_who_must_be_approved_signs_nothing_until_a_maintainer_approves(
    owner: Person, anna: Person, world: World
) -> None:
    secret = owner.invite(approve=True)
    assert anna.enrol(secret).state == "waiting"
    assert anna.enrol(secret).state == "waiting"
    with pytest.raises(Refusal, match="waits until a maintainer approves"):
        World(world.registry, world.folder, anna.signer).offer()
    assert owner.approve(anna.key).state == "active"
    World(world.registry, world.folder, anna.signer).offer()
    assert anna.enrol(secret).state == "active"
