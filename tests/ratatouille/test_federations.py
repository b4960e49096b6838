"""What a home knows of the federations it has joined, and which address a person means."""

import stat
from pathlib import Path

import pytest

from ratatouille.federations import (
    Federation,
    authority_of,
    enter_federation,
    federation_of,
    leave_federation,
    name_remote,
)
from ratatouille.home import ports_file, read_config, remote_in_force

URL = "grpcs://front.example.org:8443"
HERE = Federation(address=URL, registry="a" * 32, member="b" * 64, name="anna", role="contributor")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RATATOUILLE_REMOTE", raising=False)
    return tmp_path / "home"


def test_what_was_entered_is_found_private_and_forgotten(home: Path) -> None:
    assert federation_of(URL) is None
    assert authority_of(URL) is None
    enter_federation(HERE, b"certificate")
    assert federation_of("grpcs://FRONT.example.org:8443") == HERE
    authority = authority_of(URL)
    assert authority is not None
    assert authority.read_bytes() == b"certificate"
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in authority.parent.iterdir())
    enter_federation(HERE.model_copy(update={"role": "maintainer"}), None)
    assert authority_of(URL) is None
    leave_federation(URL)
    assert federation_of(URL) is None


def test_what_was_joined_through_tls_is_not_known_without_it() -> None:
    enter_federation(HERE, b"certificate")
    assert federation_of("grpc://front.example.org:8443") is None
    assert authority_of("grpc://front.example.org:8443") is None
    assert federation_of("grpcs://front.example.org:8444") is None


@pytest.mark.parametrize("address", ["grpcs://[2001:db8::1]:8443", "grpc://127.0.0.1:9290"])
def test_host_and_port_of_a_joined_federation_mean_its_whole_address(address: str) -> None:
    host_and_port = address.partition("://")[2]
    assert remote_in_force(host_and_port).value == f"grpc://{host_and_port}"
    enter_federation(HERE.model_copy(update={"address": address}), None)
    assert remote_in_force(host_and_port).value == address


def test_a_joined_federation_is_named_after_its_host_and_the_default_where_none_is_set(home: Path) -> None:
    assert name_remote(URL) == "front"
    assert remote_in_force(None).value == URL
    assert name_remote(URL, "other") == "front"
    assert name_remote("grpcs://front.example.com:8443") == "front-2"
    assert name_remote("grpcs://10.0.0.1:8443", "ours") == "ours"
    assert remote_in_force("ours").value == "grpcs://10.0.0.1:8443"
    assert read_config().default == "front"


def test_a_home_with_a_coordinator_keeps_it_as_its_default(home: Path) -> None:
    ports = ports_file(home / "coordinator")
    ports.parent.mkdir(parents=True)
    ports.write_text("registry = 9400\n")
    name_remote(URL)
    assert remote_in_force(None).value == "grpc://127.0.0.1:9400"
    assert remote_in_force("front").value == URL
