"""Enrolment as people do it: a home, an invitation's line, a service that may be away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, federation_of
from ratatouille.home import read_config
from ratatouille.invitation import Invitation
from ratatouille.processes import free_port
from registry import enrolment
from registry.enrolment import await_approval, enrol
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.registry.person import Person


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "coordinator"))
    made = RegistryServer(tmp_path / "registry")
    made.start()
    yield made
    made.stop(0)


@pytest.fixture
def maintainer(server: RegistryServer, tmp_path: Path) -> Iterator[Person]:
    registry = open_registry(tmp_path / "registry")
    yield Person(registry, 1, "maintainer")
    registry.close()


def invitation(server: RegistryServer, maintainer: Person, **values: Any) -> Invitation:
    return maintainer.invite(server.address, **values)


def at_home(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    monkeypatch.setenv("RATATOUILLE_HOME", str(folder))
    return folder


def test_an_invitation_makes_the_key_of_a_home_a_members_and_tells_the_home_where(
    server: RegistryServer, maintainer: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = invitation(server, maintainer)
    home = at_home(monkeypatch, tmp_path / "anna")
    membership = enrol(line, "anna")
    key = Signer.open(home / "key").node
    assert (membership.member, membership.name, membership.role, membership.state) == (
        key,
        "anna",
        "contributor",
        "active",
    )
    assert line.log is not None
    where = {"address": server.address, "registry": line.registry, "log": line.log}
    assert federation_of(server.address) == Federation(**where, member=key, name="anna", role="contributor")
    config = read_config()
    assert config.remotes[config.default] == server.address
    assert enrol(line, "another-name") == membership
    with pytest.raises(Refusal, match="no name for a member or node; say one with --name"):
        enrol(line, "Anna B.")
    found = maintainer.registry.members.invitations()[0]
    assert (found.used, found.state) == (1, "used")


def test_a_refused_invitation_leaves_the_home_as_it_was(
    server: RegistryServer, maintainer: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = invitation(server, maintainer)
    at_home(monkeypatch, tmp_path / "anna")
    foreign = line.model_copy(update={"registry": "0" * 32})
    with pytest.raises(Refusal):
        enrol(foreign, "anna")
    assert federation_of(server.address) is None
    assert read_config().remotes == {}
    enrol(line, "anna")
    known = federation_of(server.address)
    with pytest.raises(Refusal):
        enrol(foreign, "anna")
    assert federation_of(server.address) == known


def test_a_registry_that_is_away_for_a_moment_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(monkeypatch, tmp_path / "coordinator")
    port = free_port()
    registry = open_registry(tmp_path / "registry")
    person = Person(registry, 1, "maintainer")
    line = person.invite(f"grpc://127.0.0.1:{port}")
    said: list[str] = []
    started: list[RegistryServer] = []

    def start(sentence: str) -> None:
        said.append(sentence)
        started.append(RegistryServer(tmp_path / "registry", port=port))
        started[0].start()

    at_home(monkeypatch, tmp_path / "anna")
    assert enrol(line, "anna", start).state == "active"
    assert len(said) == 1
    started[0].stop(0)
    monkeypatch.setattr(enrolment, "PATIENCE", 0.0)
    at_home(monkeypatch, tmp_path / "bruno")
    with pytest.raises(Unreachable):
        enrol(line, "bruno")
    assert federation_of(line.address) is None
    registry.close()


def test_a_member_who_waits_is_let_in_by_a_maintainer(
    server: RegistryServer, maintainer: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = invitation(server, maintainer, approve=True)
    at_home(monkeypatch, tmp_path / "anna")
    monkeypatch.setattr(enrolment, "_WAITING_PAUSE", 0.01)
    membership = enrol(line, "anna")
    assert membership.state == "waiting"
    said: list[str] = []
    approving = threading.Thread(target=lambda: maintainer.approve(membership.member))
    approving.start()
    assert await_approval(line, membership, said.append).state == "active"
    approving.join()
    assert "members approve anna" in said[0]
