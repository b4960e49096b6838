from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.folders import close_tree, expanded, make_private
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_a_private_folder_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_private(tmp_path / "one" / "two")
    finally:
        os.umask(before)
    assert mode(tmp_path / "one") == mode(tmp_path / "one" / "two") == 0o700


def test_a_folder_that_was_open_is_closed_and_others_beside_it_stay(tmp_path: Path) -> None:
    for name in ("open", "other"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text("x")
    (tmp_path / "open" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "inner" / "file").chmod(0o644)
    make_private(tmp_path / "open")
    close_tree(tmp_path / "open")
    assert mode(tmp_path / "open") == mode(tmp_path / "open" / "inner") == 0o700
    assert mode(tmp_path / "open" / "inner" / "file") == 0o600
    assert mode(tmp_path / "other" / "inner" / "file") == 0o644


@pytest.mark.parametrize("path", ["~no-such-user", "~no-such-user/images"])
def test_the_home_of_an_unknown_user_is_refused_by_name(path: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="this machine knows no home folder for '~no-such-user'"):
        expanded(path)
    for words in (
        ["log", "--remote", f"{path}/registry"],
        ["remote", "add", "x", path],
        ["registry", "import", "--remote", path, path],
        ["verify", f"{path}/folder"],
    ):
        call(*words).refused("no home folder for '~no-such-user'")
    node = home.parent / "node.toml"
    node.write_text(f'name = "anna"\n[[data]]\ntask = "leaves"\npath = "{path}"\n')
    call("check", node).refused("no home folder for '~no-such-user'")
    monkeypatch.setenv("RATATOUILLE_HOME", path)
    call("config").refused("no home folder for '~no-such-user'")


def test_a_user_without_a_home_folder_is_told_what_to_set() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "RATATOUILLE_HOME")}
    # a user id that no account of this machine has, as containers run with
    script = """
import os, pwd
from ratatouille.cli.main import main
from ratatouille.cli.remotes import config
if os.getuid() == 0:
    os.setuid(54321)
try:
    pwd.getpwuid(os.getuid())
    raise SystemExit(77)
except KeyError:
    main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "config"], capture_output=True, text=True, env=environment, cwd="/"
    )
    if done.returncode == 77:
        pytest.skip("only root may become a user without an account")
    assert done.returncode == 2
    assert done.stderr.startswith("error: this user has no home folder on this machine; set RATATOUILLE_HOME")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["task", "node", "round", "config"])
def test_a_byte_order_mark_is_no_mistake(kind: str, home: Path, tmp_path: Path) -> None:
    texts = {
        "task": 'name = "leaves"\nkind = "target"\nclasses = ["a", "b"]\ndomains = ["x"]\n',
        "config": 'name = "Anna"\n',
    }
    if kind == "config":
        home.mkdir()
        (home / "config.toml").write_text(texts[kind], encoding="utf-8-sig")
        assert call("config", "name", "--json").json["value"] == "Anna"
        return
    file = tmp_path / f"{kind}.toml"
    call("init", kind, file)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    called = call("check", file)
    assert "not valid TOML" not in called.err
    assert kind != "task" or called.code == 0
