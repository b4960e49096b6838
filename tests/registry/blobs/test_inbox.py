from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.record import sha256
from registry.blobs.cache import DigestGate
from registry.blobs.inbox import Inbox

DATA = b"weights" * 1000
DIGEST = sha256(DATA)


NAMES = [sha256(name) for name in (b"old", b"new", b"held")]


def gate() -> DigestGate:
    made = DigestGate(DIGEST, "the sender")
    made.size = len(DATA)
    return made


def test_what_comes_is_counted_and_stays_when_the_transfer_breaks_off(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with inbox.receive(DIGEST) as receiving:
        receiving.resume(gate)
        receiving.write(DATA[:10])
    assert inbox.arrived_bytes(DIGEST) == 10
    assert list(inbox.incoming()) == [inbox.partial(DIGEST)]
    assert inbox.arrived_bytes(NAMES[0]) == 0


def test_what_an_earlier_writer_left_is_hashed_and_continued(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with inbox.receive(DIGEST) as receiving:
        receiving.resume(gate)
        receiving.write(DATA[:10])
    with inbox.receive(DIGEST) as receiving:
        assert receiving.resume(gate) == receiving.resumed == 10
        receiving.write(DATA[10:])
        receiving.finish()


def test_one_writer_at_a_time_and_the_next_goes_on(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    first = inbox.receive(DIGEST)
    with pytest.raises(Unreachable, match="are being sent by somebody else"):
        inbox.receive(DIGEST, patience=0)
    first.resume(gate)
    first.write(DATA[:7])
    threading.Timer(0.1, first.close).start()
    with inbox.receive(DIGEST, patience=5) as second:
        assert second.resume(gate) == 7


def test_who_waited_for_a_file_that_was_moved_gets_a_new_one(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    first = inbox.receive(DIGEST)
    first.fill(lambda output: str(output.write(DATA)))

    def move() -> None:
        first.path.rename(tmp_path / "moved")
        first.close()

    threading.Timer(0.1, move).start()
    with inbox.receive(DIGEST, patience=5) as second:
        assert second.resume(gate) == 0
    assert (tmp_path / "moved").read_bytes() == DATA


def test_bytes_that_lie_here_already_are_taken_over_and_bad_ones_forgotten(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with inbox.receive(DIGEST) as receiving:
        receiving.resume(gate)
        receiving.write(DATA[:10])
        receiving.take_over(gate, [DATA[10:500], DATA[500:-1] + b"x"])
        assert receiving.received == inbox.arrived_bytes(DIGEST) == 0
        receiving.take_over(gate, [DATA[:500], DATA[500:]])
        receiving.finish()
    assert inbox.partial(DIGEST).read_bytes() == DATA


def test_the_sweep_takes_what_is_old_and_free(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    old, new, held = NAMES
    for name in NAMES:
        inbox.receive(name).close()
    for name in (old, held):
        os.utime(inbox.partial(name), (1, 1))
    with inbox.receive(held):
        assert inbox.sweep(older_than=time.time() - 10) == [old]
    assert sorted(path.name for path in inbox.incoming()) == sorted([held, new])


@pytest.mark.parametrize("name", ["", "../../x", "a" * 63, "A" * 64, "g" * 64, f"{DIGEST}/x"])
def test_names_that_are_no_digests_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refusal, match="is no digest"):
        Inbox(tmp_path).receive(name)
