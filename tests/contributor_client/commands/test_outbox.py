"""`node outbox`: the log of what left, for its owner, at any width."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.text import Text

from contributor_client.commands.outbox import OUTBOX, SEVERAL, _row
from ratatouille.cli import output
from ratatouille.cli.streams import Terminal
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
    shown = call("node", "outbox").out
    assert [words for line in shown.splitlines() if (words := line.split()[2:])][1:3] == [
        ["offer", "–", "3.0", "kB", "3"],
        ["weights", "aaaaaaaaaa", "2.0", "MB", "1"],
    ]
    assert "all of it went to 127.0.0.1:9290" in shown
    found = call("node", "outbox", "anna", "--kind", "weights", "--json").json
    assert found["bytes"] == {"weights": 2_000_000}
    assert [(one["kind"], one["sha256"], one["times"]) for one in found["sent"]] == [("weights", "a" * 64, 1)]
    assert call("node", "outbox", "--limit", "1", "--json").json["left_out"] == 1


def test_a_kind_that_no_message_has_is_refused_with_those_that_there_are(home: Path) -> None:
    a_node(home, "anna").log(Message("offer", 1000))
    call("node", "outbox", "--kind", "ofer").refused("the kind 'ofer'", "are offer; did you mean 'offer'")
    assert "nothing of kind weights is logged" in call("node", "outbox", "--kind", "weights").out


def test_it_says_where_each_message_went_where_there_are_several_addresses(home: Path) -> None:
    a_node(home, "anna").log(Message("offer", 1000))
    Outbox(home / "nodes" / "anna" / "outbox", "grpcs://shared.example:8443").log(Message("offer", 1000))
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(output, "console", Terminal(file=out, force_terminal=True, no_color=True, width=80))
        call("node", "outbox")
    assert "grpc://127.0.0.1:9290" in out.getvalue()
    assert "grpcs://shared.example:8443" in out.getvalue()


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
    for layout in (OUTBOX, SEVERAL):
        row = [Text(cell) for cell in _row(sent)][: len(layout.columns)]
        lines = list(layout.lines([row], 80))
        assert all(line.cell_len <= 80 for line in lines)
        shown = "\n".join(line.plain for line in lines)
        assert sent.to in shown if layout is SEVERAL else "b" * 10 in shown


def test_it_says_which_nodes_there_are_where_it_is_not_clear_which_one_is_meant(home: Path) -> None:
    call("node", "outbox").refused("there is no node below", "node join")
    a_node(home, "anna")
    assert "nothing is logged" in call("node", "outbox").out
    a_node(home, "bert")
    call("node", "outbox").refused("several nodes are here (anna, bert)")
    call("node", "outbox", "carl").refused("there is no node in")
