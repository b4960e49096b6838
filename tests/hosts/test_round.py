"""A federation on hosts of its own: rounds end as rehearsed over any line, and each fault of a line is one sentence.

One federation serves this file: a coordinator, two contributors, an evaluator and a reader, each with a home of its
own. One contributor's line is slow and loses packets, the other's only way out is a CONNECT proxy.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from benchmarks.digests import Counts, Weights, counts_of, rehearsed, weights_of
from benchmarks.ground import NODES, Ground
from benchmarks.hosts.federation import COORDINATOR, NAME, PORT, HostFederation
from benchmarks.hosts.joining import BAD
from benchmarks.hosts.network import Network
from benchmarks.survival import survive
from benchmarks.waiting import wait_until
from coordinator.requests import request as request_round
from coordinator.settings import read_round_settings
from tests.hosts.conftest import REASON
from tests.registry.transport.certificates import Authority

pytestmark = pytest.mark.timeout(900)
"""A busy machine makes everything slower, and the first test starts the federation."""
RECIPES = ["linear_probe", "vanilla", "soup", "ratatouille"]
LONG = 200
IMPOSTOR = f"""
import ssl, socket, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
context.set_alpn_protocols(["h2"])
server = socket.create_server(("", {PORT}))
print("ready", flush=True)
while True:
    try:
        context.wrap_socket(server.accept()[0], server_side=True).close()
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A network of 0.4 MB: the bad line carries it in some seconds."""
    if REASON is not None:
        pytest.skip(REASON)
    ground = Ground(tmp_path_factory.mktemp("ground"), architecture="test_efficientnet")
    few = {"runs": 2}
    ground.write_round("round", 20, recipes=RECIPES, protocol=ground.protocol(20) | few)
    ground.write_round("cut", LONG, recipes=["soup"], protocol=ground.protocol(LONG) | few)
    return ground


@pytest.fixture(scope="module")
def federation(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFederation]:
    with Network(tmp_path_factory.mktemp("hosts")) as network, HostFederation(network) as federation:
        ground.enter(federation.registry)
        federation.connect("anna", BAD)
        federation.connect("chiara", behind_proxy=True)
        federation.connect("elena")
        federation.connect("rita")
        invitation = federation.invite(uses=len(NODES))
        for name in NODES:
            federation.join(name, ground.node_file(name), invitation)
        federation.enrol("rita", "reader")
        federation.await_nodes(*NODES)
        yield federation


@pytest.fixture(scope="module")
def alone(ground: Ground) -> dict[str, tuple[Weights, Counts]]:
    """The digests and counts of both rounds when they are rehearsed."""
    return rehearsed(ground, [ground.folder / "round.toml", ground.folder / "cut.toml"])


def test_a_round_over_hosts_behind_one_port_a_proxy_and_a_bad_line_makes_what_its_rehearsal_makes(
    ground: Ground, federation: HostFederation, request: pytest.FixtureRequest
) -> None:
    round = request_round(read_round_settings(ground.folder / "round.toml"), federation.registry)
    alone = request.getfixturevalue("alone")  # while the nodes are at work
    record = federation.finish(round.id, 600)
    assert record.state == "done", record.reason
    assert (weights_of(federation.registry, round), counts_of(federation.registry, round)) == alone["round"]
    made = {entry.contributor for entry in federation.registry.versions.log(limit=1000)}
    assert made >= {"anna", "chiara"}
    assert f"CONNECT {NAME}:{PORT}" in federation.log("proxy")
    shown = federation.run("rita", "log", "--json")
    assert shown.returncode == 0, shown.stderr
    assert {one["contributor"] for one in json.loads(shown.stdout)["versions"]} == made


def test_a_round_whose_lines_are_cut_in_the_middle_ends_as_rehearsed_with_nothing_done_by_hand(
    ground: Ground, federation: HostFederation, alone: dict[str, tuple[Weights, Counts]]
) -> None:
    registry = federation.registry
    round = request_round(read_round_settings(ground.folder / "cut.toml"), registry)
    wait_until(lambda: any(one.total == LONG and one.done >= LONG // 10 for one in registry.work.leases()), "at work")
    before = {entry.id for entry in registry.versions.log(limit=1000)}
    for name in ("chiara", "elena"):
        federation.host(name).cut()
    wait_until(
        lambda: not {"chiara", "elena"} & {one.name for one in registry.work.offers()}, "their offers have ended"
    )
    for name in ("chiara", "elena"):
        federation.host(name).mend()
    record = federation.finish(round.id, 600)
    assert record.state == "done", record.reason
    assert (weights_of(registry, round), counts_of(registry, round)) == alone["cut"]
    assert before <= {entry.id for entry in registry.versions.log(limit=1000)}
    assert [one for one in registry.rounds.events(limit=10_000) if one.kind in ("duplicate", "rejected")] == []


def test_kills_of_any_process_of_any_host_lose_nothing_and_change_no_bit(
    ground: Ground, federation: HostFederation
) -> None:
    found = survive(federation, ground, kills=4, recipes=["soup"])
    assert found.whole, found
    assert found.killed.total() == 4
    assert found.acknowledged > 0


def test_each_fault_of_the_line_is_one_sentence_and_the_node_keeps_what_it_has(
    ground: Ground, federation: HostFederation, tmp_path: Path
) -> None:
    """The evaluator's node ends, and its person starts it again while something is wrong."""
    name, host = "elena", federation.host("elena")
    federation.leave(name)
    host.rules("")
    kept = kept_by(federation, name)
    address = federation.host(COORDINATOR).address

    def said() -> str:
        """What it says, in place of joining."""
        done = federation.run(name, "node", "join", str(ground.node_file(name)), seconds=120)
        assert done.returncode == 2, done
        assert kept_by(federation, name) == kept
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith(f"error: no registry answers at grpcs://{NAME}:{PORT}: ")
        return sentence

    host.resolve(NAME, None)
    assert f"the name of {NAME} cannot be resolved" in said()
    impostor = federation.network.add("impostor")
    host.resolve(NAME, impostor.address)
    assert f"nothing listens at {NAME}:{PORT} " in said()
    for authority, expected in (
        (Authority.make("Somebody"), "is from 'Somebody', and not from the authority that the invitation named"),
        (authority_of_the_door(federation), f"is not for {NAME}, but for other.example"),
    ):
        certificate = authority.certify(tmp_path, ["other.example"])
        log = tmp_path / "impostor.log"
        log.unlink(missing_ok=True)
        process = impostor.start(sys.executable, "-c", IMPOSTOR, str(certificate), log=log)
        wait_until(partial(is_ready, log), "the impostor listens")
        assert expected in said()
        process.kill()
        process.wait()

    host.resolve(NAME, address)
    host.only_to(address, PORT)
    federation.start_again(name)
    federation.await_nodes(name)
    assert kept_by(federation, name) == kept


def is_ready(log: Path) -> bool:
    return "ready" in log.read_text()


def kept_by(federation: HostFederation, name: str) -> dict[str, str]:
    """Keys and what was joined, with the digest of each file."""
    home = federation.home(name)
    files = [home / "key", home / "nodes" / name / "key", home / "nodes" / name / "flower.key"]
    files += sorted((home / "federations").glob("*/*"))
    return {str(file.relative_to(home)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def authority_of_the_door(federation: HostFederation) -> Authority:
    """The door's own authority, with its key: it certifies another name."""
    folder = federation.home(COORDINATOR) / "coordinator" / "door" / "storage" / "pki" / "authorities" / "local"
    key = load_pem_private_key((folder / "root.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(x509.load_pem_x509_certificate((folder / "root.crt").read_bytes()), key)
