"""What `--public` and the options beside it come to: which name, which certificate, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from coordinator.door.config import LoopbackPorts, door_config
from coordinator.door.options import public_in_force
from coordinator.door.process import find_caddy
from coordinator.door.settings import PublicSettings, keep_public, name_and_port, read_public
from coordinator.loopback_tls import LoopbackTls
from ratatouille.errors import Refusal
from registry.services.local import LocalRegistry
from registry.web import PAGES
from registry.web.server import application


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Up.Example.ORG", ("up.example.org", 8443)),
        ("up.example.org.:443", ("up.example.org", 443)),
        ("203.0.113.5", ("203.0.113.5", 8443)),
        ("[2001:DB8::1]:9000", ("2001:db8::1", 9000)),
        ("2001:db8::1", ("2001:db8::1", 8443)),
    ],
)
def test_names_and_addresses_are_read_with_and_without_a_port(text: str, found: tuple[str, int]) -> None:
    assert name_and_port(text) == found
    assert PublicSettings(name=found[0], port=found[1]).address.endswith(f":{found[1]}")


@pytest.mark.parametrize("text", ["", ":443", "up:0", "up:65536", "up:x", "a b", "https://up", "up_per", "-up", "a..b"])
def test_what_is_no_name_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"is no NAME:PORT|is no name of a host"):
        public_in_force(tmp_path, text, False)


@pytest.mark.parametrize(
    ("public", "beside", "source"),
    [
        ("up.example.org:443", {}, "acme"),
        ("up.example.org", {}, "own"),
        ("up.example.org", {"acme_email": "a@example.org"}, "acme"),
        ("up.internal:443", {}, "own"),
        ("upper:443", {}, "own"),
        ("203.0.113.5:443", {}, "own"),
        ("up.internal", {"acme_directory": "https://ca.internal/directory"}, "acme"),
        ("up.example.org:443", {"cert": Path("c"), "key": Path("k")}, "files"),
    ],
)
def test_which_certificate_it_is_follows_from_what_was_asked(
    public: str, beside: dict[str, Any], source: str, tmp_path: Path
) -> None:
    found = public_in_force(tmp_path, public, False, **beside)
    assert found is not None
    assert found.source == source


@pytest.mark.parametrize(
    ("public", "no_public", "beside", "reason"),
    [
        (None, False, {"cert": Path("c")}, "--cert belongs to --public"),
        ("up", True, {}, "--no-public takes the front door away"),
        ("up", False, {"cert": Path("c")}, "give --cert and --key"),
        ("up", False, {"cert": Path("c"), "key": Path("k"), "acme_email": "a@b"}, "not both"),
        ("up", False, {"acme_root": Path("r")}, "--acme-directory too"),
        ("203.0.113.5", False, {"acme_email": "a@b"}, "use a name"),
        ("up", False, {"trusted_proxies": ["everybody"]}, "trusted_proxies"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    public: str | None, no_public: bool, beside: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(Refusal, match=reason):
        public_in_force(tmp_path, public, no_public, **beside)


def test_the_folder_remembers_the_door_until_it_is_taken_away(tmp_path: Path) -> None:
    first = public_in_force(tmp_path, "up.internal:9000", False, trusted_proxies=["10.0.0.0/8"])
    keep_public(tmp_path, first)
    assert public_in_force(tmp_path, None, False) == first == read_public(tmp_path)
    keep_public(tmp_path, public_in_force(tmp_path, None, True))
    assert read_public(tmp_path) is None


def test_the_door_passes_on_every_page_that_there_is(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    paths = {getattr(route, "path", "") for route in application(registry).routes}
    registry.close()
    assert {path.split("/")[1] for path in paths} - {""} | {"login", "logout"} == PAGES


def test_no_certificate_is_put_into_the_machine_s_store_and_caddy_listens_for_no_commands() -> None:
    behind = LoopbackPorts(1, 2, LoopbackTls(Path("c"), Path("k")))
    config = door_config(PublicSettings(name="up"), behind, Path("/s"), Path("/fleet"))
    assert config["apps"]["pki"]["certificate_authorities"]["local"]["install_trust"] is False
    assert config["admin"] == {"disabled": True, "config": {"persist": False}}


def test_an_old_caddy_is_refused_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "caddy"
    old.write_text("#!/bin/sh\necho v2.6.2 h1:abc=\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(Refusal, match=r"is Caddy v2\.6\.2.*needs 2\.11\.7 or newer"):
        find_caddy()
    old.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match="a front door needs Caddy"):
        find_caddy()
