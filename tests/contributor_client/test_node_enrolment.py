"""A node's way through a front door: its key for Flower, and the registry's time in what Flower checks."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from contributor_client.clock import RegistryClock, seconds_to_add
from contributor_client.flower_key import flower_public_key, replace_flower_key
from contributor_client.lane_file import LaneFile
from contributor_client.node_enrolment import NodeEnrolment, fleet_address, whose_new_node
from contributor_client.paths import NodePaths
from contributor_client.work_lane import FrontDoorFiles, SuperNodeSettings, WorkLane
from coordinator.flower_keys import FlowerKeys
from coordinator.loopback_tls import loopback_tls
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import FlowerPublicKey
from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, enter_federation
from ratatouille.processes import free_port
from registry.member_signer import MemberSigner
from registry.records import Info
from registry.services.local import LocalRegistry
from tests.coordinator.federation import wait_until
from tests.registry.person import Person

SHIFTED = Path(__file__).parents[1] / "shifted_clock"


def test_the_key_for_flower_is_made_once_private_and_in_the_form_that_the_registry_takes(tmp_path: Path) -> None:
    path = tmp_path / "flower.key"
    public = flower_public_key(path)
    assert TypeAdapter(FlowerPublicKey).validate_python(public) == public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert flower_public_key(path) == public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert replace_flower_key(path) != public
    path.write_text("no key")
    with pytest.raises(Refusal, match=r"flower.key' is no key for Flower; remove it"):
        flower_public_key(path)


def test_the_clock_is_measured_now_and_then_and_at_once_where_it_matters(tmp_path: Path) -> None:
    asked: list[float] = []

    def registry() -> float:
        asked.append(time.time() + 200.0)
        return asked[-1]

    clock = RegistryClock(tmp_path / "flower" / "clock", registry)
    assert seconds_to_add(tmp_path / "flower" / "clock") == 0.0
    clock.look()
    clock.look()
    assert len(asked) == 1
    assert seconds_to_add(tmp_path / "flower" / "clock") == pytest.approx(200.0, abs=1.0)
    clock.look(soon=True)
    assert len(asked) == 2
    (tmp_path / "flower" / "clock").write_text("soon")
    assert seconds_to_add(tmp_path / "flower" / "clock") == 0.0


def test_who_comes_through_a_door_finds_the_fleet_at_the_same_door() -> None:
    info = Info(software="ratatouille 1", fleet="front.example:8443", public="front.example:8443")
    assert fleet_address(info, "grpcs://10.0.0.1:8443") == "10.0.0.1:8443"
    assert fleet_address(info, "grpc://127.0.0.1:9290") == "front.example:8443"
    assert fleet_address(info, "/some/folder") == "front.example:8443"
    assert fleet_address(Info(software="ratatouille 1"), "grpcs://10.0.0.1:8443") is None


@pytest.fixture
def superlink(tmp_path: Path) -> Iterator[SuperLink]:
    superlink = SuperLink(SuperLinkSettings(tmp_path / "superlink", free_port(), public=True))
    superlink.start()
    yield superlink
    superlink.stop()


def node(folder: Path, superlink: SuperLink) -> SuperNodeSettings:
    """A node that passes the door, which is the SuperLink itself here."""
    paths = NodePaths(folder)
    tls = superlink.settings.tls
    assert tls is not None
    front = FrontDoorFiles(tls.certificate, paths.flower_key, paths.clock)
    return SuperNodeSettings(folder, superlink.settings.address, paths.key, paths.socket, front)


def test_flower_takes_nodes_whose_clocks_are_wrong_if_that_was_measured_and_no_strangers(
    superlink: SuperLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SHIFTED))
    shifts = {"slow": -360, "late": -240, "early": 240, "fast": 360, "not measured": 240, "stranger": 0}
    nodes = {name: node(tmp_path / name, superlink) for name in shifts}
    keys = {name: flower_public_key(tmp_path / name / "flower.key") for name in shifts}
    FlowerKeys(superlink.control).look({key: name for name, key in keys.items() if name != "stranger"})
    with ExitStack() as stack:
        for name, shift in shifts.items():
            monkeypatch.setenv("TEST_CLOCK_SHIFT", str(shift))
            assert clock_of_a_child() - time.time() == pytest.approx(shift, abs=30)
            if name != "not measured":  # its clock is ahead by so much, the registry's is right
                RegistryClock(tmp_path / name / "flower" / "clock", time.time, clock_ahead(shift)).look()
            stack.enter_context(WorkLane(nodes[name], lambda _: None))
        states = {name: LaneFile(settings.lane) for name, settings in nodes.items()}
        wait_until(
            lambda: all(one.read().answered or one.read().status for one in states.values()), 120, "all have an answer"
        )
        seen = {name: one.read().status for name, one in states.items()}
    assert seen == {"slow": 0, "late": 0, "early": 0, "fast": 0, "not measured": 401, "stranger": 412}


def test_a_node_whose_member_was_a_reader_for_a_while_makes_a_new_key_for_flower_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        owner, device = Person(registry, 1, "owner"), MemberSigner(registry, Signer.open(tmp_path / "key"), "chiara")
        member = device.enrol(owner.invite("grpcs://front.example:8443"), "chiara").member
        paths = NodePaths(tmp_path / "nodes" / "chiara")
        enrolment = NodeEnrolment(registry, str(tmp_path / "registry"), paths, "chiara", Signer.open(paths.key))
        authority = loopback_tls(tmp_path / "tls").certificate.read_text()
        info = Info(software="x", fleet="front.example:8443", public="front.example:8443", authority=authority)

        def entered(enter: Callable[[], object], again: bool) -> str:
            assert enter() is not False
            assert enrolment.enter_again() is again
            ((one,),) = (registry.members.flower_keys(),)
            assert one.flower == flower_public_key(paths.flower_key)
            return one.flower

        def read_for_a_while() -> None:
            for role in ("reader", "contributor"):
                owner.set_role(member, role)
                assert registry.members.flower_keys() == [], "its key has ended, also before the coordinator looks"

        first = entered(lambda: enrolment.enter(info), False)
        read_for_a_while()
        second = entered(lambda: enrolment.enter(info), False)  # as when its owner starts it again
        read_for_a_while()
        third = entered(lambda: None, True)  # as when it runs, and the SuperLink refuses its key
        assert len({first, second, third}) == 3
        owner.set_role(member, "reader")
        with pytest.raises(Refusal, match="is a reader, whose nodes do not work"):
            enrolment.enter_again()
        said = [one.text for one in registry.members.member_changes()]
        assert sum("entered anew" in one for one in said) == 2


def clock_ahead(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


def clock_of_a_child() -> float:
    code = "import datetime; print(datetime.datetime.now().timestamp())"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)


def test_a_node_without_a_key_is_a_new_member_or_a_new_node_of_the_member_that_this_home_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    address = "grpcs://front.example.org:8443"
    for place in (str(tmp_path / "registry"), address):
        assert whose_new_node(place) == "this node becomes a new member"
    enter_federation(Federation(address=address, registry="0" * 32, name="anna", role="contributor"), None)
    assert whose_new_node(address) == "this becomes a new node of member anna"
