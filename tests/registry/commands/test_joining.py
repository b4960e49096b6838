"""`ratatouille members join`: a person without a node becomes a member, however the line is given."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.home import SHORT_KEY
from ratatouille.invitation import Invitation, new_secret
from registry.commands.joining import read_given
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.ratatouille.cli.call import call
from tests.registry.person import Person


def test_a_person_without_a_node_joins_once_by_a_file_or_the_line(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RegistryServer(tmp_path / "served")
    server.start()
    registry = open_registry(tmp_path / "served")
    owner = Person(registry, 1, "olga")
    made = owner.invite(server.address, role="reader", approve=True)
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "anna"))
    (tmp_path / "invitation.txt").write_text(f"{made.line}\n")
    waits = call("members", "join", "--invite", str(tmp_path / "invitation.txt"), "--name", "anna")
    assert waits.out == ("anna: reader, waiting\na maintainer lets you in by `ratatouille members approve anna`\n"), (
        "who waits has not joined yet"
    )
    registry.maintenance.configure("reading", "members")
    call("members", "show").refused("of anna waits until a maintainer approves it")
    key = Signer.open(tmp_path / "anna" / "key").node
    owner.approve(key)
    again = call(
        "members", "join", "--invite", made.line, "--name", "bella", "--json"
    )  # the registry knows the name by now
    assert "others see you as anna, not as bella: this home has joined under that name" in again.err
    assert again.json == {"member": key, "name": "anna", "role": "reader", "state": "active"}
    assert call("members", "show", "--json").json["id"] == key
    assert [one.used for one in registry.members.invitations()] == [1]
    registry.close()
    server.stop(grace=5)


def test_a_person_who_says_no_name_is_called_by_the_short_form_of_the_key(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RegistryServer(tmp_path / "served")
    server.start()
    with closing(open_registry(tmp_path / "served")) as registry:
        made = Person(registry, 1, "olga").invite(server.address, role="reader")
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "anna"))
    joined = call("members", "join", "--invite", made.line, "--json").json
    assert joined["name"] == joined["member"][:SHORT_KEY]
    server.stop(grace=5)


def test_an_invitation_comes_by_a_file_standard_input_or_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Invitation(address="grpc://127.0.0.1:9290", registry="0" * 32, secret=new_secret())
    (tmp_path / "file").write_text(f"  {made.line}\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{made.line}\n"))
    assert read_given(made.line) == read_given(str(tmp_path / "file")) == read_given("-") == made
    with pytest.raises(Refusal, match="there is no file"):
        read_given(str(tmp_path / "nowhere"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(Refusal, match="cannot be read as text"):
        read_given(str(tmp_path / "binary"))
    monkeypatch.setattr("sys.stdin", io.StringIO("secret words"))
    with pytest.raises(Refusal, match="this is no invitation") as refused:
        read_given("-")
    assert "secret" not in str(refused.value)
