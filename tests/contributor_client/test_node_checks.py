"""Checks before a node joins: what may stand in its way has a cause and a next step, and nothing is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from contributor_client.federation_checks import check_federation
from contributor_client.machine_checks import MACHINE, check_data, check_disk, check_memory
from contributor_client.node_checks import check_node, filled, of_several
from contributor_client.subject import Subject, made_subject, subject_of
from ratatouille.checks import StepCheck, bad, good
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, enter_federation
from ratatouille.invitation import PREFIX, Invitation
from ratatouille.processes import free_port
from ratatouille.tasks.node import read_node_settings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.enrolment import enrol
from registry.member_signer import MemberSigner
from registry.opening import open_registry
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from registry.services.registry import Registry
from registry.transport.roots import AUTHORITY
from tests.ratatouille.cli.call import call
from tests.registry.person import Person
from tests.registry.transport.caddy import door
from tests.registry.transport.certificates import Authority, TlsFront

OURS = Authority.make("Our Authority")
SHAPES = synthetic_tasks()["shapes"]
SHIFTED = Path(__file__).parent.parent / "shifted_clock"


@dataclass(frozen=True)
class Scene:
    """A registry behind TLS on localhost, with a task, and a coordinator that is announced."""

    registry: Registry
    owner: Person
    plain: int
    """The registry's own port."""
    door: int
    images: Path

    @property
    def address(self) -> str:
        return f"grpcs://localhost:{self.door}"

    def invite(self, **values: object) -> Invitation:
        return self.owner.invite(self.address, OURS.pin, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATATOUILLE_HOME", str(folder / "coordinator"))
        server = RegistryServer(folder / "registry")
        server.start()
    plain = int(server.address.rpartition(":")[2])
    registry = open_registry(folder / "registry")
    registry.definitions.define_task(SHAPES)
    write_synthetic("shapes", folder / "images", each=2)
    with door(folder, OURS.certify(folder, ["localhost"]), OURS.pem, plain) as port:
        said = Announcement(fleet="127.0.0.1:1", public=f"localhost:{port}", authority=OURS.pem.decode())
        registry.work.announce(Signer.of_seed(b"c" * 32).seal(said))
        yield Scene(registry, Person(registry, 1, "owner"), plain, port, folder / "images")
    registry.close()
    server.stop(0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a contributor, in an empty folder."""
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    for name in (AUTHORITY, "SSL_CERT_FILE", "RATATOUILLE_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def node_file(folder: Path, scene: Scene, **changes: object) -> Path:
    file = folder / "node.toml"
    table = {"task": "shapes", "path": str(scene.images), "group": "stem", "missing_classes": "allow"} | changes
    file.write_text(tomli_w.dumps({"name": "anna", "device": "cpu", "remote": scene.address, "data": [table]}))
    return file


def checked(subject: Subject) -> dict[str, StepCheck]:
    """The checks of line and registry that were made."""
    found: dict[str, StepCheck] = {}
    check_federation(subject, lambda one: found.__setitem__(one.step, one))
    return found


def wrong(subject: Subject) -> StepCheck:
    """The first thing that is wrong; it has a cause and a next step, and what comes before it is good."""
    checks = list(checked(subject).values())
    place = next(number for number, one in enumerate(checks) if one.state == "bad")
    assert all(one.good for one in checks[:place] if one.step != "proxy"), checks
    assert checks[place].cause
    assert checks[place].advice
    return checks[place]


def at(scene: Scene, address: str) -> Subject:
    return made_subject(address, None, None)


# -- before anybody has joined: an invitation


def test_an_invitation_is_checked_and_nothing_of_it_is_used_up(scene: Scene, home: Path) -> None:
    invitation = scene.invite(name="nora", role="contributor")
    found = checked(subject_of(invitation.line, None))
    assert {step: one.state for step, one in found.items()} == dict.fromkeys(
        ("name", "port", "proxy", "tls", "versions", "clock", "invitation", "key", "coordinator", "task"), "good"
    )
    assert "it gives the role contributor, until 20" in found["invitation"].cause
    assert found["task"].cause == "the registry has 1 task: shapes"
    (record,) = [one for one in scene.registry.members.invitations() if one.id == invitation.id]
    assert (record.used, record.state) == (0, "open")
    assert not (home / "key").exists()
    assert not (home / "federations").exists()
    assert enrol(invitation, "nora").name == "nora"
    found = checked(subject_of(invitation.line, None))
    assert found["invitation"].cause.startswith("not needed any more")
    assert found["key"].good


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("revoked", "this invitation was revoked by a maintainer"),
        ("foreign", "this invitation is for another registry (00000000…)"),
        ("used", "this invitation is used up: others have joined by it"),
        ("expired", "this invitation expired on 20"),
        ("reader", "it gives the role reader, which may not offer data"),
    ],
)
def test_an_invitation_that_lets_nobody_in_is_said_before_it_is_used(
    kind: str, cause: str, scene: Scene, home: Path
) -> None:
    seconds = 1.0 if kind == "expired" else 3600.0
    invitation = scene.invite(seconds=seconds, role="reader" if kind == "reader" else "contributor")
    if kind == "revoked":
        scene.owner.revoke_invitation(invitation.id)
    if kind == "foreign":
        invitation = invitation.model_copy(update={"registry": "0" * 32})
    if kind == "used":
        Person(scene.registry, 77, "somebody-else").join(invitation)
    if kind == "expired":
        time.sleep(1.1)
    found = wrong(subject_of(invitation.line, None))
    assert found.step == "invitation"
    assert cause in found.cause


def test_an_invitation_is_checked_where_only_members_read(scene: Scene) -> None:
    local = scene.registry
    assert isinstance(local, LocalRegistry)
    local.maintenance.configure("reading", "members")
    try:
        found = checked(subject_of(scene.invite().line, None))
    finally:
        local.maintenance.configure("reading", None)
    assert [one.step for one in found.values() if one.state == "bad"] == []
    assert found["invitation"].good
    assert "only members read" in found["task"].cause


def test_a_secret_is_never_shown(scene: Scene, tmp_path: Path) -> None:
    invitation = scene.invite()
    (tmp_path / "invitation.txt").write_text(invitation.line)
    for given in (invitation.line, str(tmp_path / "invitation.txt")):
        called = call("node", "check", given, "--json")
        assert invitation.secret not in called.out + called.err
        assert invitation.line.removeprefix(PREFIX) not in called.out + called.err
    code = invitation.line.removeprefix(PREFIX)
    for broken in (invitation.line[:-3], code):
        called = call("node", "check", broken)
        assert called.code == 2
        assert code[:40] not in called.err


# -- the line


def test_a_name_that_is_none_and_a_closed_port_are_said(scene: Scene) -> None:
    found = wrong(at(scene, "grpcs://front.invalid:8443"))
    assert found.step == "name"
    assert "the name of front.invalid cannot be resolved" in found.cause
    found = wrong(at(scene, f"grpcs://localhost:{free_port()}"))
    assert (found.step, found.advice) == ("port", "check the port, and that the coordinator there is up")


def test_a_certificate_for_another_name_is_said(scene: Scene, tmp_path: Path) -> None:
    with TlsFront(OURS.certify(tmp_path, ["other.example"]), scene.plain) as front:
        address = f"grpcs://localhost:{front.port}"
        enter_federation(Federation(address=address, registry="a" * 32, name="anna", role="contributor"), OURS.pem)
        found = wrong(at(scene, address))
    assert found.step == "tls"
    assert "is not for localhost, but for other.example" in found.cause


@pytest.mark.parametrize("joined", [True, False])
def test_who_intercepts_the_line_is_named_also_to_who_has_not_joined(
    joined: bool, scene: Scene, tmp_path: Path
) -> None:
    company = Authority.make("Inspection CA", "Careful Company")
    # What intercepts passes on the page with the authority, as it passes on everything.
    with door(tmp_path, company.certify(tmp_path, ["localhost"]), OURS.pem, scene.plain) as port:
        address = f"grpcs://localhost:{port}"
        if joined:
            enter_federation(Federation(address=address, registry="a" * 32, name="anna", role="contributor"), OURS.pem)
            found = wrong(at(scene, address))
        else:
            line = scene.invite().model_copy(update={"address": address}).line
            found = wrong(subject_of(line, None))
    assert found.step == "tls"
    assert "is from 'Inspection CA' (Careful Company), and not from the authority that the invitation" in found.cause
    assert found.advice.startswith("have localhost excepted")


def test_an_authority_that_settings_name_is_believed_by_the_check_as_by_the_node(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not among the authorities of the store" in wrong(at(scene, scene.address)).cause
    (tmp_path / "ours.pem").write_bytes(OURS.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.pem"))
    assert checked(at(scene, scene.address))["tls"].good
    monkeypatch.delenv("SSL_CERT_FILE")
    file = node_file(tmp_path, scene)
    file.write_text('authority = "ours.pem"\n' + file.read_text())
    monkeypatch.setenv(AUTHORITY, "")
    assert checked(subject_of(str(file), None))["tls"].good


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_dead_proxy_is_named_and_no_proxy_excepts_in_both_spellings(
    variable: str, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://user:secret@127.0.0.1:{free_port()}")
    found = checked(at(scene, "grpcs://front.example:8443"))
    assert list(found) == ["proxy"]
    assert f"the proxy of {variable}, 127.0.0.1:" in found["proxy"].cause
    assert found["proxy"].advice == "check that variable"
    assert "secret" not in found["proxy"].sentence
    for exception in ("NO_PROXY", "no_proxy"):
        with monkeypatch.context() as patch:
            patch.setenv(exception, ".invalid")
            assert wrong(at(scene, "grpcs://front.invalid:8443")).step == "name"
    monkeypatch.setenv(variable, "socks5://127.0.0.1:1")
    assert wrong(at(scene, "grpcs://front.example:8443")).step == "proxy"


def test_plain_grpc_to_another_machine_is_wrong(scene: Scene) -> None:
    found = checked(made_subject(f"grpc://127.0.0.1:{scene.plain}", None, None))
    assert found["tls"].good
    assert found["tls"].cause.startswith("none: plain gRPC")


# -- what the registry says


def test_a_home_that_has_not_joined_and_a_reader_are_said(scene: Scene, home: Path) -> None:
    address = f"grpc://127.0.0.1:{scene.plain}"
    found = wrong(at(scene, address))
    assert found.step == "key"
    assert "this home has not joined the federation" in found.cause
    assert "ratatouille node join --invite -" in found.advice
    assert not (home / "key").exists()
    enrol(scene.owner.invite(address, role="reader"), "rita")
    found = wrong(at(scene, address))
    assert (found.step, "role reader, which may not offer data" in found.cause) == ("key", True)


def test_a_revoked_key_and_one_that_the_registry_does_not_know_are_said(scene: Scene, home: Path) -> None:
    member = enrol(scene.invite(), "vera")
    assert checked(at(scene, scene.address))["key"].good
    scene.owner.revoke(member.member, message="left")
    found = wrong(at(scene, scene.address))
    assert found.step == "key"
    assert f"key {member.member[:12]}… of vera was revoked on 20" in found.cause
    (home / "key").unlink()
    found = wrong(at(scene, scene.address))
    assert "belongs to no member of this registry" in found.cause
    assert "join with an invitation" in found.advice


def test_a_revoked_key_of_the_node_is_said_though_its_member_may_join(scene: Scene, tmp_path: Path) -> None:
    member = enrol(scene.invite(), "olga")
    file = node_file(tmp_path, scene)
    subject = subject_of(str(file), None)
    assert "the node's key is made when it joins" in checked(subject)["key"].cause
    node = Signer.open(read_node_settings(file).place / "key")
    assert "is entered when it joins" in checked(subject)["key"].cause
    device = Signer.open(tmp_path / "home" / "key")
    MemberSigner(scene.registry, device, "olga").add_node(node, "anna")
    assert "the node's key is olga's, active" in checked(subject)["key"].cause
    scene.owner.revoke(member.member, key=node.node, message="stolen")
    found = wrong(subject)
    assert (found.step, f"the node's key {node.node[:12]}… of olga was revoked" in found.cause) == ("key", True)


def test_a_clock_that_is_six_minutes_off_is_said_with_the_next_step(scene: Scene, tmp_path: Path) -> None:
    enrol(scene.invite(), "mina")
    environment = {**os.environ, "TEST_CLOCK_SHIFT": "360", "PYTHONPATH": str(SHIFTED)}
    command = [sys.executable, "-m", "ratatouille", "node", "check", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    found = {one["step"]: one for one in json.loads(done.stdout)["checks"]}
    assert found["clock"]["cause"] == "your clock is 6 min ahead of the registry's"
    assert "set this machine's clock" in found["clock"]["advice"]
    assert found["key"]["cause"] == "not known yet: clock comes first"
    assert found["task"]["state"] == "good"


def test_a_task_that_the_registry_lacks_or_has_otherwise_is_said(scene: Scene, tmp_path: Path) -> None:
    enrol(scene.invite(), "tess")
    found = wrong(subject_of(str(node_file(tmp_path, scene, task="shipes")), None))
    assert (found.step, "shipes" in found.sentence) == ("task", True)
    file = node_file(tmp_path, scene)
    other = SHAPES.model_copy(update={"classes": tuple(reversed(SHAPES.classes))})
    (tmp_path / "task.toml").write_text(tomli_w.dumps(other.model_dump(mode="json")))
    found = wrong(subject_of(str(file), None))
    assert (found.step, "defines shapes otherwise than the registry (classes)" in found.cause) == ("task", True)


# -- the machine


def test_data_that_cannot_be_read_is_said_as_joining_would_say_it(scene: Scene, tmp_path: Path) -> None:
    tasks = {"shapes": SHAPES}
    broken = tmp_path / "own"
    write_synthetic("shapes", broken, each=2)
    (broken / "day" / "disc" / "broken.png").write_bytes(b"no image")
    found, opened = check_data(read_node_settings(node_file(tmp_path, scene, path=str(broken))), tasks, 1e12)
    assert (found.state, opened) == ("bad", [])
    assert "broken.png" in found.cause
    assert 'corrupt = "skip"' in found.advice
    settings = read_node_settings(node_file(tmp_path, scene))
    assert check_data(settings, tasks, time.monotonic() - 1)[0].state == "unknown"
    found, opened = check_data(settings, tasks, 1e12)
    assert found.good
    assert found.cause == f"read: {len(opened[0])} images of shapes (day, night, sketch)"


def test_a_disk_without_room_and_a_folder_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "not" / "yet", 1000).good
    found = check_disk(tmp_path, 10**18)
    assert (found.state, "are free at" in found.cause, "free some space" in found.advice) == ("bad", True, True)
    assert check_disk(Path("/proc/self"), 1).state == "bad"


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    assert check_memory(10**9, 2 * 10**9, measured=True).cause == "2.0 GB are free; a step of the work took 1.0 GB"
    assert check_memory(10**9, 10**8, measured=False).state == "bad"
    assert check_memory(10**9, None, measured=False).state == "unknown"
    assert check_memory(10**9, 10**8, True, 2).cause == "0.1 GB are free, and 2 workers take about 1.0 GB"


# -- all together


def test_what_cannot_be_known_yet_says_in_one_line_what_comes_first() -> None:
    steps = ("name", "port", "tls", "data")
    found = {"name": good("name", "known"), "port": bad("port", "closed", "open it")}
    rows = filled(steps, found, 8.0)
    assert [(one.step, one.state) for one in rows] == [
        ("name", "good"),
        ("port", "bad"),
        ("tls", "unknown"),
        ("data", "unknown"),
    ]
    assert rows[2].cause == "not known yet: port comes first"
    silent = filled(steps, {"name": good("name", "known")}, 8.0)
    assert (silent[1].state, silent[1].cause, silent[2].state) == ("bad", "no answer within 8 s", "unknown")


def test_a_whole_check_tries_the_device_and_ends_with_code_0(scene: Scene, tmp_path: Path) -> None:
    enrol(scene.invite(), "anna")
    node_file(tmp_path, scene)
    found = check_node(subject_of(None, None), seconds=120.0)
    assert found.wrong == (), found
    rows = {one.step: one for one in found.checks}
    assert (found.node, found.file, found.address) == ("anna", "node.toml", scene.address)
    assert all(rows[step].good for step in MACHINE if step != "device"), rows
    assert "invitation" not in rows


def test_every_device_of_a_list_is_tried(scene: Scene, tmp_path: Path) -> None:
    settings = node_file(tmp_path, scene)
    settings.write_text(settings.read_text().replace('"cpu"', '["cpu", "cuda:7"]'))
    found = check_node(subject_of(None, None), seconds=1e6)  # from the start of this process
    (device,) = [one for one in found.checks if one.step == "device"]
    assert device.state == "bad"
    assert "cuda:7" in device.cause


def test_several_checks_of_one_step_are_one_row_with_the_worst_state() -> None:
    several = [good("device", "cpu works"), bad("device", "no cuda", "buy one"), good("device", "cpu works")]
    assert of_several(several) == bad("device", "no cuda", "buy one")
    assert of_several([several[0], good("device", "cuda works")]).cause == "cpu works; cuda works"


def test_the_command_prints_a_row_for_each_check_and_ends_with_code_1_when_one_is_wrong(
    scene: Scene, tmp_path: Path
) -> None:
    node_file(tmp_path, scene)
    called = call("node", "check", "--remote", f"grpcs://localhost:{free_port()}")
    assert called.code == 1
    assert "1 thing is wrong: port; begin with the first" in called.out
    assert max(map(len, called.out.splitlines())) > 60, "full width where there is no terminal"
    found = call("node", "check", "--remote", f"grpcs://localhost:{free_port()}", "--json")
    assert found.code == 1
    assert [one["step"] for one in found.json["checks"]][:4] == ["name", "port", "proxy", "tls"]


def test_what_is_meant_is_said_in_one_sentence_where_it_is_not_clear(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("node", "check").refused("there is nothing to check", "invitation")
    call("node", "check", "nowhere.toml").refused("there is no file 'nowhere.toml'")
    call("node", "check", "--remote", str(tmp_path)).refused("is no address that a node joins")
    call("node", "check", scene.invite().line, "--remote", "local").refused("leave --remote out")
    with pytest.raises(Refusal, match="there is nothing to check"):
        subject_of(None, None)
    for port in (8443, 8444):
        address = f"grpcs://front.example:{port}"
        enter_federation(Federation(address=address, registry="a" * 32, name="anna", role="contributor"), None)
        if port == 8443:
            assert subject_of(None, None).address == address
    call("node", "check").refused("joined several federations", "--remote")
