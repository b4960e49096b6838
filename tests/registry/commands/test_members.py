"""`ratatouille members`: what maintainers and members type, over a registry in a folder and over a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, enter_federation
from ratatouille.invitation import read_invitation
from registry.member_signer import MemberSigner
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.ratatouille.cli.call import call
from tests.registry.person import Person
from tests.registry.world import World


@pytest.fixture
def anna(world: World) -> Person:
    return Person(world.registry, 2, "anna")


def invited(*words: str) -> str:
    return str(call("members", "invite", "--address", "leaves.example.org", *words).out.strip())


def test_a_maintainer_invites_and_only_the_printed_line_has_the_secret(world: World, home: Path, anna: Person) -> None:
    called = call("members", "invite", "--name", "anna", "--address", "leaves.example.org", "-m", "for the leaves")
    invitation = read_invitation(called.out)
    assert invitation.address == "grpcs://leaves.example.org:8443"
    assert called.out.count("\n") == 1
    assert called.err.startswith("for anna with the role contributor, at grpcs://leaves.example.org:8443, until 20")
    shown = [call("members", "list", "--invitations").out, called.err, str(invitation)]
    assert anna.join(invitation).state == "active"
    shown += [call("members", "list").out, call("members", "show", "anna").out]
    assert invitation.secret not in "".join(shown)
    secret = invitation.secret.encode()
    assert not [path for path in home.parent.rglob("*") if path.is_file() and secret in path.read_bytes()]
    (found,) = call("members", "list", "--json").json["members"]
    assert (found["name"], found["role"], found["keys"][0]["key"]) == ("anna", "contributor", anna.key)
    assert call("members", "list", "--invitations", "--json").json["invitations"][0]["state"] == "used"


def test_a_member_is_approved_gets_a_role_and_is_revoked_with_all_that_it_gave(
    world: World, home: Path, anna: Person
) -> None:
    assert anna.join(read_invitation(invited("--approve", "--uses", "3", "--expires", "2d"))).state == "waiting"
    assert call("members", "approve", "anna").out == "anna: contributor, active\n"
    assert call("members", "role", "anna", "maintainer", "--json").json["role"] == "maintainer"
    work = World(world.registry, world.folder, anna.signer)
    made = work.foundation(9, "mine")
    shown = call("members", "revoke", "anna", "-m", "wrong labels").out
    assert "1 key of anna is refused from now on; ended: 0 leases, 0 offers, 1 invitation" in shown
    assert f"{str(made.version)[:10]}" in shown
    assert "`ratatouille members revoke anna --retract -m why` takes all of it back" in shown
    assert call("members", "revoke", "anna", "--retract").err.startswith("error: say why with -m")
    done = call("members", "revoke", "anna", "--retract", "-m", "wrong labels", "--json").json
    assert (done["retracted"], done["member"]["state"]) == (1, "revoked")
    assert call("show", str(made.version), "--json").json["entry"]["state"] == "retracted"
    assert "anna gave nothing that stands" in call("members", "revoke", "anna").out


def test_a_lost_key_is_linked_and_an_invitation_is_taken_back(world: World, home: Path, anna: Person) -> None:
    line = invited("--uses", "2")
    anna.join(read_invitation(line))
    new = Signer.of_seed(b"z" * 32).node
    assert call("members", "link", "anna", new, "--lost", anna.key[:8], "-m", "the disk broke").out.startswith("anna:")
    keys = {one["key"]: one["state"] for one in call("members", "show", new[:10], "--json").json["keys"]}
    assert keys == {anna.key: "revoked", new: "active"}
    assert f"in place of {anna.key[:10]}" in call("members", "show", "anna").out
    id = read_invitation(line).id
    assert call("members", "revoke", "--invitation", id[:8]).out == f"invitation {id[:10]} is revoked\n"
    with pytest.raises(Exception, match="was revoked by a maintainer"):
        Person(world.registry, 5).join(read_invitation(line))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["invite", "--role", "boss", "--address", "a:1"], "'boss' is no role of a member; use reader, contributor"),
        (["invite", "--expires", "never", "--address", "a:1"], "'never' is no length of time; write 12h, 7d or 2w"),
        (["invite"], "a registry in a folder has no address that others reach"),
        (["invite", "--name", "anna", "--uses", "2", "--address", "a:1"], "a name is for one member"),
        (["show"], "you are the owner of this registry, not a member, so there is nothing to show"),
        (["show", "nobody"], "there is no member 'nobody' here"),
        (["revoke"], "say one of these: a member, or --invitation ID"),
        (["rotate"], "this machine has no key yet"),
        (["add-device", "--address", "a:1"], "you are no member of this registry yet"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    world: World, home: Path, words: list[str], sentence: str
) -> None:
    done = call("members", *words)
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_two_open_invitations_of_one_name_are_said(world: World, home: Path, anna: Person) -> None:
    first = read_invitation(invited("--name", "anna"))
    second = call("members", "invite", "--name", "Anna", "--address", "leaves.example.org")
    assert second.out.count("\n") == 1
    assert "warning: Anna has another open invitation" in second.err
    assert f"`ratatouille members revoke --invitation {first.id[:10]}`" in second.err
    assert "warning" not in call("members", "invite", "--address", "leaves.example.org").err


def test_the_owner_is_told_why_no_member_is_shown(world: World, home: Path) -> None:
    assert call("members", "list", "--invitations").out == (
        "there are no invitations; `ratatouille members invite` prints one\n"
    )
    assert "you are the owner of this registry, and need not be a member" in call("members", "list").out


@pytest.fixture
def service(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path / "served")
    server.start()
    monkeypatch.setenv("RATATOUILLE_REMOTE", server.address)
    yield server
    server.stop(grace=5)


def test_a_machine_invites_another_device_and_rotates_its_key(service: RegistryServer, home: Path) -> None:
    made = call("members", "invite", "--name", "anna", "--json").json
    assert (made["address"], made["authority"]) == (service.address, None)
    registry = open_registry(service.address)
    here = MemberSigner(registry, Signer.open(home / "key"), "anna")
    old = here.enrol(read_invitation(made["line"]), "anna").member
    enter_federation(
        Federation(address=service.address, registry=here.registry_id, member=old, name="anna", role="contributor"),
        None,
    )
    line = call("members", "add-device", "--expires", "2h").out
    assert Person(registry, 7, "laptop").join(read_invitation(line)).member == old
    rotated = call("members", "rotate", "-m", "once a year", "--json").json
    assert rotated["replaced"] == old
    assert rotated["registries"] == [service.address]
    assert Signer.open(home / "key").node == rotated["key"]
    assert Signer.open(Path(rotated["kept"])).node == old
    assert call("members", "show", "--json").json["id"] == old
    registry.close()


def test_a_rotation_that_was_broken_off_goes_on_with_the_same_new_key(service: RegistryServer, home: Path) -> None:
    registry = open_registry(service.address)
    here = MemberSigner(registry, Signer.open(home / "key"), "anna")
    here.enrol(read_invitation(call("members", "invite").out), "anna")
    following = Signer.open(home / "key.new")
    here.rotate(following)
    assert call("members", "rotate").out.startswith(following.node[:10])
    assert Signer.open(home / "key").node == following.node
    assert not (home / "key.new").exists()
    registry.close()
