from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.record import sha256
from registry.blobs import Blobs
from registry.cache import Cache
from registry.client import _DigestGate

DATA = b"weights" * 1000
DIGEST = sha256(DATA)


def gate(data: bytes = DATA) -> _DigestGate:
    made = _DigestGate(sha256(data))
    made.size = len(data)
    return made


def keep(cache: Cache, data: bytes) -> Path:
    with cache.receive(sha256(data)) as receiving:
        receiving.resume(lambda: gate(data))
        receiving.write(data)
        receiving.finish()
        return cache.keep(receiving, sha256(data))


def test_a_file_is_seen_when_it_is_complete_and_cannot_be_written_then(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with blobs.receive(DIGEST) as receiving:
        receiving.resume(gate)
        receiving.write(DATA[:10])
        assert not blobs.path(DIGEST).exists()
        assert blobs.arrived_bytes(DIGEST) == 10
        receiving.write(DATA[10:])
        receiving.finish()
        blobs.place(receiving, DIGEST)
    assert blobs.path(DIGEST).read_bytes() == DATA
    assert blobs.path(DIGEST).stat().st_mode & 0o777 == 0o400
    assert list(blobs.complete()) == [blobs.path(DIGEST)]
    assert list(blobs.incoming()) == []


def test_what_an_earlier_writer_left_is_hashed_and_continued(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with blobs.receive(DIGEST) as receiving:
        receiving.resume(gate)
        receiving.write(DATA[:10])
    with blobs.receive(DIGEST) as receiving:
        assert receiving.resume(gate) == receiving.resumed == 10
        receiving.write(DATA[10:])
        receiving.finish()


def test_one_writer_at_a_time_and_the_next_goes_on(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    first = blobs.receive(DIGEST)
    with pytest.raises(Unreachable, match="are being sent by somebody else"):
        blobs.receive(DIGEST, patience=0)
    first.resume(gate)
    first.write(DATA[:7])
    threading.Timer(0.1, first.close).start()
    with blobs.receive(DIGEST, patience=5) as second:
        assert second.resume(gate) == 7


def test_who_waited_for_a_file_that_was_placed_gets_a_new_one(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    first = blobs.receive(DIGEST)
    first.fill(lambda output: str(output.write(DATA)))

    def place() -> None:
        blobs.place(first, DIGEST)
        first.close()

    threading.Timer(0.1, place).start()
    with blobs.receive(DIGEST, patience=5) as second:
        assert second.resume(gate) == 0
    assert blobs.path(DIGEST).read_bytes() == DATA


def test_the_sweep_takes_what_is_old_and_free(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    for name in ("old", "new", "held"):
        blobs.receive(name).close()
    for name in ("old", "held"):
        os.utime(blobs.partial(name), (1, 1))
    with blobs.receive("held"):
        assert blobs.sweep(older_than=time.time() - 10) == ["old"]
    assert sorted(path.name for path in blobs.incoming()) == ["held", "new"]


def test_a_cache_stays_within_its_bound_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = Cache(tmp_path, largest_bytes=2500)
    files = [bytes([number]) * 1000 for number in range(3)]
    paths = [keep(cache, data) for data in files[:2]]
    for age, path in zip((5000, 9000), paths, strict=True):
        os.utime(path, (time.time() - age,) * 2)
    third = keep(cache, files[2])
    assert [path.exists() for path in (*paths, third)] == [True, False, True]
    assert cache.get(sha256(files[1])) is None
    assert cache.get(sha256(files[0])) == paths[0]


def test_a_cache_keeps_what_was_used_minutes_ago_whatever_its_bound(tmp_path: Path) -> None:
    cache = Cache(tmp_path, largest_bytes=1)
    assert keep(cache, b"one").exists()
    assert keep(cache, b"two").exists()
    assert cache.get(sha256(b"one")) is not None


def test_a_cached_file_that_changed_on_disk_is_not_used(tmp_path: Path) -> None:
    path = keep(Cache(tmp_path, 2**20), DATA)
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + b"x")
    assert Cache(tmp_path, 2**20).get(DIGEST) is None
    assert not path.exists()


def test_a_digest_gate_refuses_other_bytes() -> None:
    wrong = gate()
    wrong.update(DATA[:-1] + b"x")
    with pytest.raises(Refusal, match="the registry sent other bytes"):
        wrong.finish()
