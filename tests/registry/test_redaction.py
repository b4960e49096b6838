"""Old lines of the log, which have words of nodes: nothing that may name files, folders or people is shown."""

import sqlite3
from pathlib import Path

import pytest

from ratatouille.exchange.order import Failed
from ratatouille.failure import Failure
from registry.ledger.event_log import failure_line, redacted_reason
from registry.records import RoundRecord
from registry.services.local import LocalRegistry

NODE = "node 0123456789ab: "
OLD = [
    "the image '/home/anna/patients/Smith, J/scan.png' cannot be read: No such file or directory",
    "the image '/home/o'brien/smith.png' changed since the data was opened; start again to read it anew",
    "'/srv/clinic/smith' has labels that are no class of task 'shapes': 'smith'; map each in node.toml",
    "the image C:\\Users\\anna\\Pictures of smith\\scan 1.png cannot be used",
    "FileNotFoundError: [Errno 2] No such file or directory: '/home/anna/smith.png'",
    "no worker answers at /home/anna smith/node/worker.socket; is the node's worker running?",
    "no registry answers at grpc://anna-laptop.clinic.example:8801",
    "KeyError: 'smith'",
    'the image "smith.png" is damaged',
    "could not open smith-anna.jpeg",
]
NAMES = ("smith", "Smith", "anna", "clinic", "brien", "Users", "scan", "Pictures")


@pytest.mark.parametrize("text", OLD)
def test_no_name_is_left_in_what_a_node_of_an_older_release_said(text: str) -> None:
    for shown in (failure_line(NODE + text), redacted_reason(f"node 0123456789ab cannot do its work: {text}")):
        assert not any(name in shown for name in NAMES), shown
        assert "0123456789ab" in shown


def test_a_failure_with_a_code_is_shown_as_a_sentence() -> None:
    failed = Failed(node="0" * 64, failure=Failure(code="image-damaged", counts={"images": 3}), task="shapes")
    line = "node 000000000000, task shapes: an image is damaged or cut off (3 images) [image-damaged]"
    assert failure_line(failed.to_json().decode()) == line
    assert redacted_reason(f"nobody is left to do soup run 1 of 3: {line}").endswith(line)


def test_reasons_that_the_coordinator_gave_itself_stay_as_they_are() -> None:
    for text in ("", "cancelled by a maintainer", "ended at its deadline: soup 2 of 3 runs", "'latest' has no head"):
        assert redacted_reason(text) == text


def test_a_database_of_an_older_release_shows_its_rounds_and_lines_redacted(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path)
    registry.rounds.request_round(
        RoundRecord(id="r1", name="r", spec="{}", state="requested", created=1.0, changed=1.0)
    )
    registry.rounds.note("r1", "failure", "0" * 64, NODE + OLD[0])
    registry.rounds.move_round("r1", ["requested"], "failed", f"node 0123456789ab cannot do its work: {OLD[0]}")
    shown = [*(event.text for event in registry.rounds.events(0, "r1")), registry.rounds.round("r1").reason]
    shown += [one.reason for one in registry.rounds.rounds()]
    assert len(shown) == 5
    assert not any(name in text for text in shown for name in NAMES), shown
    # The log is never rewritten: the words are still there for the one who owns the file.
    rows = (
        sqlite3.connect(tmp_path / "registry.db").execute("select text from events where kind = 'failure'").fetchall()
    )
    assert rows == [(NODE + OLD[0],)]
