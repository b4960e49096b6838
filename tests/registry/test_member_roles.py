"""What a member may change of others, by its role; the transport says who calls."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from registry.caller import Caller, Forbidden, called_by
from registry.maintainer import Maintainer
from registry.services.local import LocalRegistry
from tests.registry.person import ADDRESS, Person
from tests.registry.world import World


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Person]:
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        yield Person(registry, 1, "olga")


@pytest.fixture
def anna(owner: Person) -> Person:
    return Person(owner.registry, 2, "anna")


def as_member(person: Person) -> AbstractContextManager[None]:
    """Calls as the transport makes them for a member's session."""
    found = person.registry.members.find_member(person.key)
    return called_by(Caller(found.role, key=person.key, member=found.id))


def test_nobody_gives_or_takes_more_than_their_own_role(owner: Person, anna: Person) -> None:
    anna.joined(owner, role="maintainer")
    ben = Person(owner.registry, 3, "ben")
    with as_member(anna):
        ben.joined(anna)
        for refused in (lambda: anna.invite(ADDRESS, role="owner"), lambda: anna.set_role(ben.key, "owner")):
            with pytest.raises(Refusal, match="a maintainer cannot give or take the role owner"):
                refused()
        assert anna.set_role(ben.key, "maintainer").role == "maintainer"
        with pytest.raises(Refusal, match="belongs to no member"):
            Person(owner.registry, 9).invite(ADDRESS)
    owner.set_role(ben.key, "owner")
    with as_member(anna), pytest.raises(Refusal, match="cannot give or take the role owner"):
        anna.revoke(ben.key)
    owner.set_role(anna.key, "contributor")
    with as_member(anna), pytest.raises(Refusal, match="needs the role maintainer, and anna is a contributor"):
        anna.invite(ADDRESS, role="reader")


def test_a_contributor_takes_back_what_their_own_keys_gave_and_nothing_else(beginning: Path, tmp_path: Path) -> None:
    shutil.copytree(beginning / "registry", tmp_path / "begun")
    with closing(LocalRegistry(tmp_path / "begun")) as registry:
        owner, anna, new = (Person(registry, seed, name) for seed, name in ((1, "olga"), (2, "anna"), (3, "anna")))
        anna.joined(owner)
        (tmp_path / "files").mkdir()
        mine = World(registry, tmp_path / "files", anna.signer).foundation(5, "mine")
        theirs = World(registry, tmp_path / "files", Signer.of_seed(b"t" * 32)).foundation(6, "theirs")
        anna.rotate(new.signer)
        maintainer = Maintainer(registry, new.signer)
        with as_member(new):
            with pytest.raises(Forbidden, match="is not yours; ask a maintainer"):
                maintainer.retract(str(theirs.version), "I do not like it")
            assert maintainer.withdraw(str(mine.version), "wrong labels").standing == "contributor"
            maintainer.restore(str(mine.receipt), "right after all")
        Maintainer(registry, owner.signer).retract(str(theirs.version), "wrong labels")
        with as_member(new), pytest.raises(Forbidden, match="is not yours; ask a maintainer"):
            maintainer.restore(str(theirs.receipt), "I like it")
        owner.set_role(anna.key, "maintainer")
        with as_member(new):
            maintainer.restore(str(theirs.receipt), "it was right")
