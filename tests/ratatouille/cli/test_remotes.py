from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from ratatouille.cli.remotes import usable_address
from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, enter_federation, name_remote
from ratatouille.home import ports_file
from ratatouille.settings import LARGEST_FILE
from tests.ratatouille.cli.call import call

URL = "grpc://example.org:9290"


def test_a_remote_is_added_listed_used_and_removed(home: Path) -> None:
    assert call("remote", "add", "ours", URL).code == 0
    assert call("remote", "list", "--json").json == {
        "default": "local",
        "remotes": {"local": "grpc://127.0.0.1:9290", "ours": URL},
    }
    assert call("config", "--remote", "ours", "--json").json["remote in force"] == {
        "value": URL,
        "source": "--remote, remote 'ours'",
    }
    assert call("remote", "remove", "ours").code == 0
    call("config", "--remote", "ours").refused("no remote 'ours'", "ratatouille remote add")


def test_the_default_remote_is_written_and_falls_back_when_it_is_removed(home: Path) -> None:
    call("remote", "add", "ours", URL, "--default")
    assert tomllib.loads((home / "config.toml").read_text()) == {"default": "ours", "remotes": {"ours": URL}}
    assert call("config", "--json").json["remote in force"]["value"] == URL
    call("remote", "remove", "ours")
    assert call("config", "--json").json["default remote"]["value"] == "local"


def test_config_says_where_each_value_comes_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built_in = call("config", "--json").json
    assert built_in["home"] == {"value": str(home), "source": "$RATATOUILLE_HOME"}
    assert built_in["remote in force"]["source"] == "built in, remote 'local'"
    monkeypatch.setenv("RATATOUILLE_REMOTE", URL)
    assert call("config", "--json").json["remote in force"] == {"value": URL, "source": "$RATATOUILLE_REMOTE"}


def test_the_local_remote_is_where_the_coordinator_of_this_home_listens(home: Path) -> None:
    ports = ports_file(home / "coordinator")
    ports.parent.mkdir(parents=True)
    ports.write_text("registry = 9400\nsuperlink = 9401\n")
    assert call("config", "--json").json["remote in force"] == {
        "value": "grpc://127.0.0.1:9400",
        "source": f"built in, remote 'local', {ports}",
    }
    assert call("remote", "list", "--json").json["remotes"] == {"local": "grpc://127.0.0.1:9400"}
    ports.write_text("registry = 94000\n")
    call("log").refused(f"the ports file '{ports}' cannot be used", "registry")
    call("remote", "add", "local", URL)
    assert call("config", "--json").json["remote in force"]["value"] == URL


@pytest.mark.parametrize("address", ["127.0.0.1:9290", "ours.example.org:80", "[::1]:9290"])
def test_a_host_with_a_port_is_an_address(address: str) -> None:
    in_force = call("config", "--remote", address, "--json").json["remote in force"]
    assert in_force == {"value": f"grpc://{address}", "source": "--remote"}
    call("config", "--remote", "ours").refused("there is no remote 'ours'")


def test_a_folder_is_kept_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call("remote", "add", "here", "./registry")
    assert call("remote", "list", "--json").json["remotes"]["here"] == str(tmp_path / "registry")


def test_nothing_but_the_configuration_is_left_in_the_home_folder(home: Path) -> None:
    call("remote", "add", "ours", URL)
    assert [path.name for path in home.iterdir()] == ["config.toml"]
    assert stat.S_ISREG((home / "config.toml").stat().st_mode)


def test_adding_the_same_again_changes_nothing_and_another_address_is_refused(home: Path) -> None:
    call("remote", "add", "ours", URL)
    before = (home / "config.toml").read_bytes()
    assert call("remote", "add", "ours", URL).code == 0
    call("remote", "add", "ours", "grpc://example.org:1").refused("remote 'ours' is", "remote remove ours")
    assert (home / "config.toml").read_bytes() == before


@pytest.mark.parametrize(
    "url",
    [
        "registry",
        "http://example.org",
        "grpc://example.org",
        "grpc://:9290",
        "grpc://example.org:99999",
        "grpc://example.org:port",
        "grpc://someone@example.org:9290",
        "grpc://example.org:9290/path",
        "://",
        "",
    ],
)
def test_a_bad_url_is_refused_in_one_sentence(home: Path, url: str) -> None:
    call("remote", "add", "ours", url).refused(f"'{url}' is no address of a registry", "grpc://host:port")
    assert not home.exists()


def test_a_usable_url_is_kept_as_it_is() -> None:
    for url in (URL, "grpc://127.0.0.1:1", "grpc://[::1]:9290"):
        assert usable_address(url) == url
    assert usable_address(URL + "/") == URL


def test_a_bad_name_or_an_unknown_one_is_refused() -> None:
    call("remote", "add", "a b", URL).refused("'a b' is no name for a remote")
    call("remote", "remove", "theirs").refused("no remote 'theirs'")


def test_a_damaged_configuration_is_named(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("defualt = 'x'")
    call("remote", "list").refused("config.toml", "did you mean 'default'?")
    (home / "config.toml").write_text("=")
    call("config").refused("config.toml", "not valid TOML")


def test_the_name_in_the_history_is_chosen_kept_and_shown(home: Path) -> None:
    before = call("config", "name", "--json").json
    assert before == {"value": "", "source": "the key's short form, which your first signature makes"}
    assert call("config", "name", "Anna B.").code == 0
    for words in (
        ["remote", "add", "ours", URL, "--default"],
        ["remote", "add", "theirs", URL],
        ["remote", "remove", "ours"],
        ["remote", "remove", "theirs"],
    ):
        assert call(*words).code == 0
        assert tomllib.loads((home / "config.toml").read_text())["name"] == "Anna B."
        assert call("config", "--json").json["public name"] == {"value": "Anna B.", "source": "config.toml"}
    assert call("config", "name").out == "the history calls you Anna B. (config.toml)\n"


def test_without_a_name_the_history_shows_the_short_form_of_the_key(home: Path) -> None:
    signer = Signer.open(home / "key")
    assert call("config", "name", "--json").json == {"value": signer.node[:10], "source": "the key's short form"}
    assert call("config", "--json").json["public name"]["value"] == signer.node[:10]


@pytest.mark.parametrize("name", ["", " ", "a" * 81, "red \x1b[31m", "turned \u202e round"])
def test_a_name_that_cannot_be_shown_is_refused(home: Path, name: str) -> None:
    call("config", "name", name).refused("is no name")
    assert not home.exists()


DAMAGED = {
    "half": b'registry = "9',
    "binary": bytes(range(256)),
    "wrong types": b"registry = 'x'\nremotes = 3\naddress = 4\n",
    "too large": b"# x\n" * (LARGEST_FILE // 4 + 1),
    "folder": None,
}


def damage(file: Path, how: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = DAMAGED[how]
    file.mkdir() if content is None else file.write_bytes(content)


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_file_of_the_ports_refuses_only_what_needs_it(home: Path, how: str) -> None:
    ports = ports_file(home / "coordinator")
    damage(ports, how)
    call("remote", "add", "ours", URL)
    remedy = "remove it, and `ratatouille coordinator up` writes it anew"
    assert call("remote", "list", "--json").json["remotes"] == {"ours": URL}
    in_force = call("config", "--json").json["remote in force"]
    assert in_force["value"] == ""
    assert f"the ports file '{ports}'" in in_force["source"]
    assert in_force["source"].endswith(remedy)
    call("log").refused(f"the ports file '{ports}'", remedy)


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_configuration_is_named_and_not_needed_for_an_address(home: Path, how: str) -> None:
    damage(home / "config.toml", how)
    call("config").refused(f"the config file '{home / 'config.toml'}'", "correct it, or remove it")
    call("log", "--remote", "127.0.0.1:9").refused("no registry answers at grpc://127.0.0.1:9")


@pytest.mark.parametrize("how", DAMAGED)
def test_a_federation_whose_file_is_damaged_is_not_spoken_to_without_tls(home: Path, how: str) -> None:
    file = home / "federations" / "127.0.0.1_9" / "federation.toml"
    damage(file, how)
    remedy = "remove it, and join again with an invitation"
    call("log", "--remote", "127.0.0.1:9").refused(f"the federation file '{file}'", remedy)
    assert remedy in call("config", "--remote", "127.0.0.1:9", "--json").json["remote in force"]["source"]


def test_a_damaged_key_does_not_keep_the_configuration_from_being_shown(home: Path) -> None:
    damage(home / "key", "binary")
    found = call("config", "--json").json
    assert f"'{home / 'key'}' is not a node's key" in found["public name"]["source"]
    assert found["home"]["value"] == str(home)


def test_the_name_of_the_member_is_shown_beside_the_public_name(home: Path) -> None:
    assert call("config", "--json").json["member name"]["value"] == ""
    address = "grpcs://shared.example:8443"
    enter_federation(Federation(address=address, registry="0" * 32, member="1" * 64, name="anna", role="reader"), None)
    name_remote(address)
    found = call("config", "--json").json["member name"]
    assert found == {"value": "anna", "source": f"the federation at {address}, as reader"}
