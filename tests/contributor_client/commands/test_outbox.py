"""`node outbox`: the log of what left, for its owner, at any width."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text

from contributor_client.commands.outbox import OUTBOX, _row
from ratatouille.exchange.signing import Signer
from ratatouille.outbox import Message, Outbox, SentMessage
from tests.ratatouille.cli.call import call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    return tmp_path


def a_node(home: Path, name: str) -> Outbox:
    Signer.open(home / "nodes" / name / "key")
    return Outbox(home / "nodes" / name / "outbox", "grpc://127.0.0.1:9290")


def test_it_shows_each_message_once_with_its_number_and_the_bytes_by_kind(home: Path) -> None:
    log = a_node(home, "anna")
    for _ in range(3):
        log.log(Message("offer", 1000, same_as="an offer"))
    log.log(Message("weights", 2_000_000, digest="a" * 64))
    log.flush()
    assert [words for line in call("node", "outbox").out.splitlines() if (words := line.split()[2:])][1:3] == [
        ["offer", "–", "3.0", "kB", "3", "grpc://127.0.0.1:9290"],
        ["weights", "aaaaaaaaaa", "2.0", "MB", "1", "grpc://127.0.0.1:9290"],
    ]
    found = call("node", "outbox", "anna", "--kind", "weights", "--json").json
    assert found["bytes"] == {"weights": 2_000_000}
    assert [(one["kind"], one["sha256"], one["times"]) for one in found["sent"]] == [("weights", "a" * 64, 1)]
    assert call("node", "outbox", "--limit", "1", "--json").json["left_out"] == 1


def test_its_table_fits_a_terminal_of_eighty_columns() -> None:
    sent = SentMessage(
        at=1e9,
        kind="question",
        about="obligations",
        sha256="b" * 64,
        times=123_456,
        bytes=10**9,
        to="grpcs://" + "a" * 40,
    )
    lines = list(OUTBOX.lines([[Text(cell) for cell in _row(sent)]], 80))
    assert all(line.cell_len <= 80 for line in lines)
    assert "b" * 10 in lines[1].plain


def test_it_says_which_nodes_there_are_where_it_is_not_clear_which_one_is_meant(home: Path) -> None:
    call("node", "outbox").refused("there is no node below", "node join")
    a_node(home, "anna")
    assert "nothing is logged" in call("node", "outbox").out
    a_node(home, "bert")
    call("node", "outbox").refused("several nodes are here (anna, bert)")
    call("node", "outbox", "carl").refused("there is no node in")
