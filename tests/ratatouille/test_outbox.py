"""The log of what leaves a node: whole lines, counted repetitions, bounded files."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ratatouille import outbox
from ratatouille.errors import Unreachable
from ratatouille.outbox import Message, Outbox, SentMessage, merge_repetitions, sent_messages

WRITER = """
import sys
from pathlib import Path
from ratatouille.outbox import Message, Outbox
log = Outbox(Path(sys.argv[1]), "grpc://127.0.0.1:1")
for number in range(1_000_000):
    log.log(Message("receipt", number, about="x" * 300, digest=f"{number:064x}"))
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def lines(folder: Path) -> list[SentMessage]:
    return list(sent_messages(folder))


def test_a_message_is_a_line_at_once_and_its_repetitions_are_counted_in_a_later_one(tmp_path: Path) -> None:
    clock = Clock()
    log = Outbox(tmp_path / "outbox", "grpc://there:1", "abc", clock)
    for _ in range(100):
        log.log(Message("offer", 50, same_as="an offer"))
        clock.now += 5.0
    log.log(Message("receipt", 700, "3f2a", "a" * 64))
    assert [(one.kind, one.times, one.bytes) for one in lines(log.folder)] == [("offer", 1, 50), ("receipt", 1, 700)]
    for _ in range(100):
        log.log(Message("offer", 50, same_as="an offer"))
        clock.now += 5.0
    found = lines(log.folder)
    assert [(one.kind, one.times) for one in found] == [("offer", 1), ("receipt", 1), ("offer", 120)]
    log.flush()
    (offer, receipt) = merge_repetitions(sent_messages(log.folder))
    assert (offer.at, offer.until, offer.times, offer.bytes) == (1000.0, 1995.0, 200, 10_000)
    assert (receipt.sha256, receipt.about, receipt.to, receipt.registry) == ("a" * 64, "3f2a", "grpc://there:1", "abc")


def test_the_log_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Outbox(tmp_path / "outbox", "there").log(Message("offer", 1))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "outbox").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "outbox").iterdir()} == {0o600}


def test_a_writer_that_is_killed_leaves_whole_lines_and_the_next_one_goes_on(tmp_path: Path) -> None:
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        before = len(lines(tmp_path))
        while len(lines(tmp_path)) < before + 20:
            assert writer.poll() is None
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        text = (tmp_path / "sent.jsonl").read_bytes()
        assert len(lines(tmp_path)) in (text.count(b"\n"), text.count(b"\n") + 1)


def test_a_line_that_a_crash_cut_is_passed_over_and_spoils_no_other(tmp_path: Path) -> None:
    log = Outbox(tmp_path, "there")
    log.log(Message("offer", 1))
    with (tmp_path / "sent.jsonl").open("ab") as file:
        file.write(b'{"at":1.0,"ki')
    log.log(Message("lease", 2))
    assert [one.kind for one in lines(tmp_path)] == ["offer", "lease"]


def test_the_log_is_bounded_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FILE_BYTES", 2000)
    log = Outbox(tmp_path, "there")
    for number in range(200):
        log.log(Message("receipt", number, digest=f"{number:064x}"))
    files = list(tmp_path.glob("sent*.jsonl"))
    assert len(files) == outbox.FILES
    assert sum(path.stat().st_size for path in files) <= 2000 * outbox.FILES
    kept = [one.bytes for one in lines(tmp_path)]
    assert kept == list(range(200 - len(kept), 200))
    assert len(kept) > 30


def test_a_message_that_cannot_be_logged_is_refused_and_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    log = Outbox(tmp_path / "outbox", "there")
    with pytest.raises(Unreachable, match=r"nothing leaves this node, since its log .* cannot be written"):
        log.log(Message("offer", 1))
    (tmp_path / "outbox").unlink()
    log.log(Message("offer", 1))
    assert len(lines(tmp_path / "outbox")) == 1
