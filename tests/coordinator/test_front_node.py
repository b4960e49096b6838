"""A contributor's node through a real front door: from an invitation to an answered order, and to its revocation."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coordinator.control import Control
from coordinator.environment import round_log
from coordinator.superlink import SuperLinkSettings
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import OfferWithdrawal
from ratatouille.exchange.signing import Signer
from ratatouille.processes import free_port
from ratatouille.processes.secret import Secret
from ratatouille.record import sha256
from registry.enrolment import enrol
from registry.opening import open_registry
from tests.coordinator.captured import Captured, flower_headers
from tests.coordinator.federation import Federation, Ground, wait_until
from tests.registry.person import Person

NODE = "chiara"
ROUND = {"held_out": ["sketch"], "evaluate_held_out": False, "recipes": ["vanilla"], "slices": []}


class BehindDoor(Federation):
    """A coordinator with a front door, and one node of another home that knows nothing but the door."""

    door = free_port()
    other: Path

    def page(self) -> list[str]:
        return ["--no-web", "--public", f"localhost:{self.door}"]

    @property
    def front(self) -> str:
        return f"grpcs://localhost:{self.door}"

    def join(self) -> None:
        """Start the node in its own home; it knows the address of the door only."""
        words = ["node", "join", str(self.ground.node_file(NODE)), "--remote", self.front]
        self._start(NODE, *words, home=self.other)

    @property
    def said(self) -> str:
        return (self.home / f"{NODE}.log").read_text()


@pytest.fixture
def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BehindDoor]:
    own = tmp_path / "coordinator"
    own.mkdir()
    monkeypatch.setenv("RATATOUILLE_HOME", str(own))
    with BehindDoor(Ground(tmp_path / "ground", steps=2), own, nodes=()) as federation:
        federation.other = tmp_path / "contributor"
        yield federation


def test_an_invited_node_answers_orders_through_the_door_until_its_member_is_revoked(
    federation: BehindDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, owner = federation.registry, Person(federation.registry, 1, "owner")
    info = own.info()
    assert info.public == f"localhost:{federation.door}"
    assert info.authority is not None
    pin = sha256(ssl.PEM_cert_to_DER_cert(info.authority))
    invitation = owner.invite(federation.front, pin)
    with monkeypatch.context() as patch:
        patch.setenv("RATATOUILLE_HOME", str(federation.other))
        member = enrol(invitation, NODE)
    federation.join()
    wait_until(lambda: [one.hears_orders for one in own.work.offers()] == [True], 240, "the node hears orders")
    fleet = SuperLinkSettings(federation.home / "coordinator", federation.superlink_port, public=True)
    headers = flower_headers(federation.other / "nodes" / NODE / "flower.key")
    with closing(Control(fleet.address, Secret.open(fleet.secret), fleet.tls)) as control:
        (number,) = [one.id for one in control.nodes()]
    captured = Captured(info.public, info.authority.encode(), headers, number)
    over, stranger = threading.Event(), Signer.of_seed(b"s" * 32)
    with closing(captured), ThreadPoolExecutor(1) as pool:
        forged = pool.submit(captured.introduce_as, stranger, 2, over)
        round = federation.request(federation.ground.write_round("small", 2, **ROUND))
        made = federation.finish(round)
        over.set()
    assert made.state == "done", made.reason
    assert forged.result(), "the stranger has answered in the node's name"
    assert f"ignored: key {stranger.node[:12]}" in round_log(fleet.logs, round.id).read_text()
    (key,) = own.members.flower_keys()
    node = Signer.open(federation.other / "nodes" / NODE / "key")
    assert (key.node, key.name) == (node.node, NODE)

    for role in ("reader", "contributor"):  # before the node renews its offer: it goes on
        owner.set_role(member.member, role)
    assert own.members.flower_keys() == []
    wait_until(lambda: own.members.flower_keys() != [], 60, "the node has entered a new key for Flower")
    wait_until(lambda: [one.hears_orders for one in own.work.offers()] == [True], 120, "the node hears orders again")
    assert own.members.flower_keys()[0].flower != key.flower
    assert "key for Flower had ended; made a new one" in federation.said
    entries = [one.text for one in own.members.member_changes() if "entered" in one.text]
    assert len(entries) == 2, "it has entered its keys at its start, and once more"

    revoked = owner.revoke(member.member, message="left the project")
    assert revoked.admitted > 0
    assert own.members.flower_keys() == []
    assert federation.processes[NODE].wait(60) == 2, federation.said
    (sentence,) = [line for line in federation.said.splitlines() if "revoked" in line or "withdrawn" in line]
    which = {f"error: key {key[:12]}… of {NODE} was revoked on " for key in (member.member, node.node)}
    assert any(sentence.startswith(beginning) for beginning in which), sentence
    log = (federation.home / "coordinator" / "logs" / "registry.log").read_text()
    assert re.search(r"by (127\.0\.0\.1|::1) was refused: this session is over", log), "the address comes from the door"
    assert own.work.offers() == []
    with closing(Control(fleet.address, Secret.open(fleet.secret), fleet.tls)) as control:
        wait_until(lambda: control.nodes() == [], 60, "the SuperLink does not know the key any more")
    with monkeypatch.context() as patch:
        patch.setenv("RATATOUILLE_HOME", str(federation.other))
        with closing(open_registry(federation.front)) as registry:
            withdrawal = OfferWithdrawal(node=key.node, issued=time.time())
            with pytest.raises(Refusal, match=f"key {member.member[:12]}… of {NODE} was revoked on .*; ask a main"):
                registry.work.withdraw_offer(node.seal(withdrawal))
