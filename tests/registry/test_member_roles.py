"""What a member may change of others, by its role; the transport says who calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from registry.caller import Caller, called_by
from registry.services.local import LocalRegistry
from tests.registry.person import Person


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
    anna.enrol(owner.invite("maintainer", name="anna"))
    ben = Person(owner.registry, 3, "ben")
    with as_member(anna):
        ben.enrol(anna.invite())
        for refused in (lambda: anna.invite("owner"), lambda: anna.set_role(ben.key, "owner")):
            with pytest.raises(Refusal, match="a maintainer cannot give or take the role owner"):
                refused()
        assert anna.set_role(ben.key, "maintainer").role == "maintainer"
        with pytest.raises(Refusal, match="belongs to no member"):
            Person(owner.registry, 9).invite()
    owner.set_role(ben.key, "owner")
    with as_member(anna), pytest.raises(Refusal, match="cannot give or take the role owner"):
        anna.revoke(ben.key)
    owner.set_role(anna.key, "contributor")
    with as_member(anna), pytest.raises(Refusal, match="needs the role maintainer, and anna is a contributor"):
        anna.invite("reader")
