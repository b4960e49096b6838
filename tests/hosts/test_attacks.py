"""Attackers on another host, who reach nothing but the front door: what they get, and what stands in the logs.

One federation for all of it: a coordinator, chiara's node at work on its host, and mallory's host, which first is a
stranger's, then a reader's, then a contributor's. At the end mallory is revoked in the middle of a push, and chiara in
the middle of an order. The attacks are in `attacker.py`, a program that runs on mallory's host.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.ground import Ground
from benchmarks.hosts.federation import COORDINATOR, NAME, PORT, HostFederation
from benchmarks.hosts.network import Network
from benchmarks.waiting import wait_until
from coordinator.requests import request
from coordinator.settings import read_round_settings
from coordinator.superlink import SuperLinkSettings, _executor
from ratatouille.exchange.signing import Signer
from ratatouille.invitation import read_invitation
from ratatouille.record import sha256
from ratatouille.weights.canonical import encode
from registry.records import LogQuery
from registry.services.registry import Registry
from tests.coordinator.captured import flower_headers
from tests.coordinator.test_work_lane import PROBE
from tests.hosts.conftest import REASON
from tests.registry.person import Person
from tests.registry.test_service import LARGE, memory
from tests.registry.tokens import token_of

pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
ROOT = Path(__file__).parents[2]
CHIARA, MALLORY = "chiara", "mallory"
FRONT = f"grpcs://{NAME}:{PORT}"
VARIES = re.compile(r"[0-9a-f]{6,}|\d+")
STEPS = 100_000
"""So many that a node is at work until the end."""


@dataclass
class Scene:
    """A federation under attack, and what its owner knows of it."""

    federation: HostFederation
    round: str = ""
    aims: dict[str, Any] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        return self.federation.registry

    @property
    def owner(self) -> Person:
        return Person(self.registry, 1, "owner")

    @property
    def folder(self) -> Path:
        """The coordinator's."""
        return self.federation.home(COORDINATOR) / "coordinator"

    @property
    def authority(self) -> Path:
        """A file with the certificate that invitations name."""
        file = self.federation.network.folder / "authority.pem"
        file.write_text(self.aims["authority"])
        return file

    def log(self, name: str) -> str:
        """What a service of the coordinator logged."""
        return (self.folder / "logs" / f"{name}.log").read_text()

    def process(self, *words: str) -> psutil.Process:
        """The one process of the coordinator whose command has these words."""
        family = psutil.Process(self.federation.services[COORDINATOR].pid).children(recursive=True)
        lines = [(one, one.cmdline()) for one in family]
        (found,) = (one for one, line in lines if {*words} <= {*line} and not any("reaper.py" in word for word in line))
        return found

    def attack(self, part: str, host: str = MALLORY, home: str | None = None, **more: Any) -> dict[str, Any]:
        """Run one part of the attacker's program on a host, and see what each attempt came to."""
        host_environment = self.federation.environment(host) | {"SSL_CERT_FILE": str(self.authority)}
        if home is not None:
            host_environment["RATATOUILLE_HOME"] = str(self.federation.host(host).home / home)
        done = self.federation.host(host).run(
            *(sys.executable, "-P", "-W", "ignore", str(Path(__file__).with_name("attacker.py")), part),
            text=json.dumps({**self.aims, **more}),
            more=host_environment,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def rows(self) -> dict[str, Any]:
        """What counts in the registry, leases apart that come and go."""
        registry = self.registry
        return {
            "versions": sorted(one.id for one in registry.versions.log(LogQuery(), limit=100)),
            "offers": sorted((one.node, one.name) for one in registry.work.offers()),
            "leases": sorted((one.node, one.work_id) for one in registry.work.leases()),
            "aliases": registry.releases.aliases(),
            "rounds": [(one.id, one.state) for one in registry.rounds.rounds()],
            "failures": [one for one in registry.rounds.events() if one.kind == "failure"],
            "members": sorted((one.name, one.role, one.state) for one in registry.members.members()),
        }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("hosts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACE_OF_HOSTILE_CODE", str(folder / "trace"))
        ground = Ground(folder / "ground")
        with Network(folder) as network, HostFederation(network) as federation:
            scene = Scene(federation)
            ground.enter(federation.registry)
            federation.connect(MALLORY)
            federation.connect(CHIARA)
            federation.join(CHIARA, ground.node_file(CHIARA))
            federation.await_nodes(CHIARA)
            authority = str(scene.owner.registry.info().authority)
            pin = sha256(ssl.PEM_cert_to_DER_cert(authority))
            scene.aims = {"address": FRONT, "authority": authority, "pin": pin}
            submit_a_foreign_bundle(scene)
            file = ground.write_round("attacked", STEPS, recipes=["soup"], evaluate_held_out=False)
            scene.round = request(read_round_settings(file), federation.registry).id
            leases = federation.registry.work.leases
            wait_until(lambda: [one.total for one in leases()] == [STEPS], "chiara trains")
            scene.aims |= known(scene)
            yield scene
            federation.registry.close()
    assert not (folder / "trace").exists(), "a node ran code of a foreign bundle"


def submit_a_foreign_bundle(scene: Scene) -> None:
    """The coordinator's own owner gives nodes a bundle with code of theirs: they put Flower's executor out of the way,
    and start another that accepts it."""
    settings = SuperLinkSettings(scene.folder, 9291, accepted_bundles=(sha256(PROBE),), public=True)
    program, host = _executor(settings), scene.federation.host(COORDINATOR)
    ours = scene.process("coordinator.executor")
    more = {name: value for name, value in program.environment.items() if os.environ.get(name) != value}
    ours.suspend()
    key = Signer.open(scene.federation.home(CHIARA) / "nodes" / CHIARA / "key").node
    orders = {"results": str(scene.folder / "results.json"), "key": key, "orders": [], "patience": 600}
    other = host.start(*program.command, log=scene.folder / "other.log", more=dict(more))
    submitted: dict[str, Any] = {
        "folder": str(scene.folder),
        "port": settings.port,
        "bundle": PROBE.hex(),
        "settings": orders,
    }
    run = scene.attack("operator", COORDINATOR, **submitted)["run"]
    log = scene.folder / "logs" / "round-foreign.log"
    wait_until(lambda: log.exists() and "[foreign-bundle]" in log.read_text(), "chiara's node has refused the bundle")
    scene.attack("operator", COORDINATOR, **submitted, stop=run)
    other.terminate()
    other.wait()
    ours.resume()


def known(scene: Scene) -> dict[str, Any]:
    """What an attacker would have to know: numbers of Flower, headers and records on their way, a token."""
    registry, home = scene.registry, scene.federation.home(CHIARA)
    wait_until(lambda: at_work(scene) is not None, "Flower has given chiara an order")
    message, node, run = at_work(scene) or ("", 0, 0)
    (lease,) = registry.work.leases()
    signer = Signer.open(home / "nodes" / CHIARA / "key")
    (alias,) = registry.releases.aliases().values()
    return {
        "round": scene.round,
        "version": alias,
        "architecture": registry.versions.show(alias).entry.version.architecture,
        "node": node,
        "run": run,
        "nodes": [node],
        "message": message,
        "bundle": PROBE.hex(),
        "key": signer.node,
        "work": lease.work_id,
        "plain lease": lease.model_dump(mode="json"),
        "lease": signer.seal(lease.model_copy(update={"issued": time.time()})).model_dump(mode="json"),
        "token": token_of(registry, Signer.open(home / "key")),
        "headers": flower_headers(home / "nodes" / CHIARA / "flower.key"),
    }


def at_work(scene: Scene) -> tuple[str, int, int] | None:
    """The order that Flower has handed to chiara: message, node and run."""
    with closing(sqlite3.connect(scene.folder / "superlink.db")) as database:
        query = "SELECT message_id, dst_node_id, run_id FROM message_ins WHERE delivered_at != '' AND message_type = ?"
        found = database.execute(f"{query} ORDER BY created_at DESC", ("query.work",)).fetchone()
    return None if found is None else (found[0], found[1] % 2**64, found[2] % 2**64)


# -- what a stranger gets


@pytest.fixture(scope="module")
def strange(scene: Scene) -> dict[str, Any]:
    """What came of a stranger's attempts, after which nothing in the registry is other than before."""
    return unchanged(scene, "stranger", home="stranger")


def unchanged(scene: Scene, part: str, home: str | None = None) -> dict[str, Any]:
    """Run one part of the attacker's program, and see that what counts is as before."""
    before = scene.rows()
    found = scene.attack(part, home=home)
    assert scene.rows() == before
    return found


def test_no_path_of_control_runtime_or_documentation_is_behind_the_door(strange: dict[str, Any]) -> None:
    assert set(strange["paths"].values()) == {404}
    assert len(strange["paths"]) > 40
    assert set(strange["attempts"].values()) <= {"status 404", "status 401"}
    beyond = {name: said for name, said in strange["attempts"].items() if "deactivate" not in name}
    assert set(beyond.values()) == {"status 404"}, "start a run, stop one, take a task, register a key"


def test_no_trick_of_http_brings_a_request_past_the_door(strange: dict[str, Any]) -> None:
    answers = strange["tricks"]
    assert "200" not in " ".join(said for name, said in answers.items() if name != "other names of the path")
    assert "101" not in " ".join(answers.values()), "no protocol is changed"
    said = set(answers["a length and chunks"].split())
    assert said <= {"400", "401", "404", "415"}, "a second request gets the door's own answer, or none"


def test_an_unknown_key_of_flower_is_refused_at_every_call_with_a_line_in_the_log(
    scene: Scene, strange: dict[str, Any]
) -> None:
    assert set(strange["fleet"].values()) == {"status 401"}
    who = scene.federation.host(MALLORY).address
    assert f"/v1/fleet/get-run for {who} was refused: status 401" in scene.log("superlink")


def test_a_stranger_changes_nothing_and_every_reason_is_in_the_log(scene: Scene, strange: dict[str, Any]) -> None:
    who = scene.federation.host(MALLORY).address
    for name, said in strange["registry"].items():
        assert not said.startswith("got"), name
    assert "belongs to no member of this registry" in strange["registry"]["open a session"]
    assert strange["registry"]["guess an invitation"].startswith("Refusal: this registry knows no such invitation")
    assert_logged(scene, who, strange["registry"])


def test_a_forged_token_or_address_is_refused_in_the_name_of_who_sent_it(scene: Scene, strange: dict[str, Any]) -> None:
    assert strange["forged"]["token"].startswith("UNAUTHENTICATED: this session is over")
    assert strange["forged"]["address"].startswith("UNAUTHENTICATED: flower_keys needs the role owner")
    assert "192.0.2.1" not in scene.log("registry")


def assert_logged(scene: Scene, who: str, outcomes: dict[str, str]) -> None:
    """Every refusal has its reason in the log; numbers may be those of an earlier one."""
    log = VARIES.sub("#", "\n".join(line for line in scene.log("registry").splitlines() if f" by {who} " in line))
    for name, said in outcomes.items():
        sentence = VARIES.sub("#", said.partition(": ")[2])[:80]
        assert sentence in log, f"{name}: {said}"


# -- what members get who want more than is theirs


def test_a_reader_pushes_nothing(scene: Scene) -> None:
    line = read_invitation(scene.federation.invite("reader"))
    rita = scene.federation.host(MALLORY).home / "rita"
    done = scene.federation.host(MALLORY).run(
        *(sys.executable, "-P", "-m", "ratatouille.cli.main", "members", "join", "--invite", "-", "--name", "rita"),
        text=line.line,
        more=scene.federation.environment(MALLORY) | {"RATATOUILLE_HOME": str(rita)},
    )
    assert done.returncode == 0, done.stderr
    found = unchanged(scene, "reader", home="rita")
    assert all("member rita has the role reader" in said for said in found.values()), found
    assert_logged(scene, "member rita", found)


def test_a_contributor_neither_releases_nor_touches_what_is_anothers(scene: Scene) -> None:
    scene.federation.enrol(MALLORY, "contributor")
    before = scene.rows()
    found = scene.attack("member")
    assert scene.rows() == before
    for name in ("release", "cancel the round", "Flower keys", "invitations"):
        assert "has the role contributor" in found[name], found
    assert "which is none of member mallory's keys" in found["her lease again"]
    assert "is signed by another key" in found["her lease in her name"]
    assert "is signed by another key" in found["her lease given back"]
    assert "is signed by another key" in found["her offer withdrawn"]
    assert "does not offer the data of this work" in found["her work as mine"]
    assert "proves another holding" in found["her data offered"]
    assert found["a challenge"] == "got contributor"
    assert "this challenge was used already" in found["a challenge again"]
    assert "signature" in found["her call with another body"]
    assert "which is none of member chiara's keys" in found["her call with my body"]
    assert "member chiara has the role contributor" in found["her session for a release"]
    fleet = {name: said for name, said in found.items() if name.startswith("fleet ")}
    assert fleet.pop("fleet reply in her name") == "got 0 objects", "a reply to no order is not kept"
    assert set(fleet.values()) == {"status 401"}
    challenge = {"a challenge again": found.pop("a challenge again")}
    assert_logged(scene, scene.federation.host(MALLORY).address, challenge)  # no member yet
    refused = {n: said for n, said in found.items() if n not in fleet and not said.startswith("got") and "her" not in n}
    assert_logged(scene, "member mallory", refused)


def test_captured_headers_open_flower_for_minutes_and_nothing_counts(scene: Scene) -> None:
    before = scene.rows()
    found = scene.attack("captured")
    assert found["beat"] == "got True", "Flower takes them"
    assert found["hint"].startswith("got "), "Flower keeps the reply"
    time.sleep(5)  # the coordinator looks every second
    assert scene.rows() == before
    assert scene.federation.services[CHIARA].poll() is None


def test_of_two_who_use_one_invitation_at_one_moment_one_is_let_in(scene: Scene) -> None:
    invitation = scene.owner.invite(FRONT)
    found = scene.attack("racer", registry=invitation.registry, secret=invitation.secret, seeds=[101, 102, 103])
    said = sorted(found.values())
    assert said[0].startswith("Refusal: this invitation is used up"), found
    assert (said[0], said[2]) == (said[1], "got active")


# -- floods


def test_500_silent_connections_and_bodies_of_a_gibibyte_keep_nobody_out_and_fill_no_memory(scene: Scene) -> None:
    superlink = scene.process("coordinator.flower_superlink")
    services = [superlink, scene.process("registry.server")]
    before = [memory(one.pid, "VmRSS") for one in services]
    found = scene.attack("flood")
    grown = [memory(one.pid, "VmHWM") - was for one, was in zip(services, before, strict=True)]
    assert found["an honest call"].startswith("got ratatouille")
    for name in ("a length of a gibibyte", "a gibibyte in chunks"):
        status, _, taken = found[name].partition(" after ")
        assert status in ("413", ""), found
        assert int(taken) < 64, found
    assert not found["a message of a gibibyte"].startswith("got"), found
    assert grown[0] < 50 * 2**20, grown
    assert grown[1] < 200 * 2**20, grown
    assert scene.federation.services[CHIARA].poll() is None


# -- revocation, from the coordinator's host


def test_a_revocation_ends_a_push_and_its_member_is_not_let_in_again(scene: Scene, tmp_path: Path) -> None:
    registry, name = scene.registry, "large.safetensors"
    registry.definitions.define_architecture(LARGE)
    generator = np.random.default_rng(0)
    arrays = {one.name: generator.standard_normal(one.shape, dtype=np.float32) for one in LARGE.featurizer}
    (tmp_path / name).write_bytes(data := encode(arrays))
    middle, revoked = tmp_path / "middle", tmp_path / "revoked"
    said: list[dict[str, Any]] = []
    more = {"file": str(tmp_path / name), "digest": sha256(data), "large": LARGE.digest}
    places = {"middle": str(middle), "revoked": str(revoked)}
    pushing = threading.Thread(target=lambda: said.append(scene.attack("pusher", **more, **places)))
    pushing.start()
    wait_until(middle.exists, "the push is in its middle")
    before = scene.rows()
    scene.owner.revoke(registry.members.find_member(MALLORY).id, message="pushes noise")
    revoked.touch()
    pushing.join()
    assert "push was ended by the registry" in said[0]["push"], said
    assert "of mallory was revoked on" in said[0]["again"], said
    assert {k: v for k, v in scene.rows().items() if k != "members"} == {
        k: v for k, v in before.items() if k != "members"
    }
    line = scene.owner.invite(FRONT, scene.aims["pin"]).line
    again = scene.federation.run(MALLORY, "members", "join", "--invite", "-", "--name", "mallory2", text=line)
    assert again.returncode == 2
    assert "of mallory was revoked on" in again.stderr


def test_a_revocation_ends_an_order_at_work(scene: Scene) -> None:
    (lease,) = scene.registry.work.leases()
    scene.owner.revoke(scene.registry.members.find_member(CHIARA).id, message="left")
    assert scene.registry.work.leases() == []
    assert scene.federation.services[CHIARA].wait(60) == 2, scene.federation.log(CHIARA)
    assert "of chiara was revoked on" in scene.federation.log(CHIARA)
    wait_until(lambda: set(scene.attack("captured").values()) == {"status 401"}, "Flower takes no header of hers")
    assert scene.registry.work.results([lease.work_id]) == {}
