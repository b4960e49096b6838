from __future__ import annotations

import shutil
from pathlib import Path

from ratatouille.exchange.signing import Signer
from tests.ratatouille.cli.call import call
from tests.registry.world import World


def test_me_shows_what_the_keys_of_this_machine_gave_and_what_is_released_of_it(
    history: dict[str, str], world: World, home: Path, tmp_path: Path
) -> None:
    assert "there is no key here yet" in call("me").out
    assert call("me", "--json").json["keys"] == []
    (home / "nodes" / "zoo").mkdir(parents=True)
    shutil.copy(tmp_path / "node.key", home / "nodes" / "zoo" / "key")
    call("withdraw", history["first"], "-m", "wrong labels")
    shown = call("me").out
    for words in ("training", "evaluation", "In releases", "latest", "taken back: wrong labels", "Not taken"):
        assert words in shown
    found = call("me", "--json").json
    assert [one["node"] for one in found["keys"]] == [world.signer.node]
    assert [(one["alias"], one["exact"]) for one in found["released"]] == [("foundation", "1"), ("latest", "1")]
    assert [one["reason"] for one in found["not_taken"]] == ["wrong labels"]


def test_me_of_a_node_that_gave_nothing_says_so(history: dict[str, str], home: Path) -> None:
    call("me", "--folder", home / "nodes" / "new")
    (home / "nodes" / "new").mkdir(parents=True)
    (home / "nodes" / "new" / "key").write_text("0" * 63 + "1")
    shown = call("me", "--folder", home / "nodes" / "new").out
    assert "gave nothing to this registry yet" in shown
    assert "nothing is offered now" in shown


def test_me_tells_the_key_of_this_machine_from_those_of_its_nodes(history: dict[str, str], home: Path) -> None:
    call("config", "name", "Anna B.")
    Signer.open(home / "key")
    Signer.open(home / "nodes" / "new" / "key")
    rows = [line.split() for line in call("me").out.splitlines() if line.startswith(("this machine", "a node"))]
    assert ["this", "machine", "Anna", "B."] in [row[:4] for row in rows]
    assert [row[-2:] for row in rows if row[0] == "a"] == [["not", "here"]]
    assert all("here" not in row for row in rows if row[0] == "this")
