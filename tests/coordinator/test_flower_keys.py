"""Which keys a SuperLink with TLS answers: those that the registry has, and no other."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from coordinator.flower_keys import FlowerKeys, flower_form
from coordinator.loopback_tls import loopback_tls
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.errors import Refusal
from ratatouille.processes import Child, Program, environment_with_scripts, free_port, script
from tests.coordinator.federation import wait_until


def new_key(file: Path) -> str:
    """A node's Flower key in a file; returns the public one."""
    key = ec.generate_private_key(ec.SECP384R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture(scope="module")
def superlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    superlink = SuperLink(SuperLinkSettings(tmp_path_factory.mktemp("superlink"), free_port(), public=True))
    superlink.start()
    yield superlink
    superlink.stop()


def supernode(address: str, root: Path, key: Path) -> Child:
    """Flower's own SuperNode, not restarted."""
    command = [script("flower-supernode"), "--superlink", address]
    command += ["--root-certificates", str(root), "--auth-supernode-private-key", str(key)]
    command += ["--port", str(free_port()), "--isolation", "process"]
    log = key.with_suffix(".log")
    environment = environment_with_scripts(FLWR_HOME=str(key.parent / "flwr"), FLWR_TELEMETRY_ENABLED="0")
    return Child(Program("supernode", tuple(command), log, environment))


def test_a_node_takes_part_while_its_key_is_in_the_registry_and_not_a_moment_longer(
    superlink: SuperLink, tmp_path: Path
) -> None:
    keys = FlowerKeys(superlink.control)
    anna, stranger = new_key(tmp_path / "anna"), tmp_path / "stranger"
    new_key(stranger)
    keys.look({anna: "anna"})
    tls, address = superlink.settings.tls, superlink.settings.address
    assert tls is not None
    with (
        supernode(address, tls.certificate, tmp_path / "anna") as node,
        supernode(address, tls.certificate, stranger) as unknown,
    ):
        wait_until(lambda: [n.online for n in superlink.control.nodes()] == [True], 60, "anna's node is online")
        wait_until(lambda: unknown.given_up, 60, "the stranger's node has ended")
        assert [node.name for node in superlink.control.nodes()] == ["anna"]
        keys.look({})
        assert superlink.control.nodes() == []
        wait_until(lambda: node.given_up, 60, "anna's node has ended")
    # Flower never takes a removed key again; the others are not held up by it.
    keys.look({anna: "anna", new_key(tmp_path / "bob"): "bob"})
    assert [node.name for node in superlink.control.nodes()] == ["bob"]
    FlowerKeys(superlink.control).look({})  # a coordinator that was started anew compares as well
    assert superlink.control.nodes() == []


def test_a_superlink_behind_a_door_answers_only_over_tls_with_its_own_certificate(superlink: SuperLink) -> None:
    port = superlink.settings.port
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(f"https://127.0.0.1:{port}/health", context=ssl.create_default_context())
    assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health")


def test_a_run_s_process_is_started_and_heard_over_tls(superlink: SuperLink) -> None:
    run = superlink.control.submit("", "")
    wait_until(lambda: superlink.control.status(run) == "failed", 60, "the run without a round has failed")
    assert "this run names no round or no registry" in superlink.control.failure(run)


def test_the_certificate_is_for_its_owner_only_and_made_anew_long_before_it_ends(tmp_path: Path) -> None:
    first = loopback_tls(tmp_path / "tls")
    assert {file.stat().st_mode & 0o777 for file in (first.certificate, first.key)} == {0o600}
    made = first.certificate.read_bytes()
    assert loopback_tls(tmp_path / "tls").certificate.read_bytes() == made
    later = datetime.now(UTC) + timedelta(days=6 * 365)
    assert loopback_tls(tmp_path / "tls", now=later).certificate.read_bytes() != made


@pytest.mark.parametrize("key", ["", "ssh-ed25519 AAAA", "ssh-rsa x y", "ecdsa-sha2-nistp384 !!"])
def test_what_is_no_key_of_a_node_is_refused(key: str) -> None:
    with pytest.raises(Refusal, match=r"Flower key is|no public key"):
        flower_form(key)
