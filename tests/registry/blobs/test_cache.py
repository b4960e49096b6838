from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.record import sha256
from registry.blobs.cache import Cache, DigestGate
from registry.blobs.inbox import Inbox

DATA = b"weights" * 1000
DIGEST = sha256(DATA)


def keep(folder: Path, cache: Cache, data: bytes, used: bool = True) -> Path:
    with Inbox(folder / "receiving").receive(sha256(data)) as receiving:
        receiving.fill(lambda output: str(output.write(data)))
        return cache.keep(receiving, sha256(data), used)


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, path.stat().st_mtime))


def test_a_cache_stays_within_its_bound_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = Cache(tmp_path, largest_bytes=2500)
    files = [bytes([number]) * 1000 for number in range(3)]
    paths = [keep(tmp_path, cache, data) for data in files[:2]]
    for seconds, path in zip((5000, 9000), paths, strict=True):
        age(path, seconds)
    third = keep(tmp_path, cache, files[2])
    assert [path.exists() for path in (*paths, third)] == [True, False, True]
    assert cache.get(sha256(files[1])) is None
    assert cache.get(sha256(files[0])) == paths[0]


def test_a_cache_keeps_what_was_used_minutes_ago_whatever_its_bound(tmp_path: Path) -> None:
    cache = Cache(tmp_path, largest_bytes=1)
    assert keep(tmp_path, cache, b"one").exists()
    assert keep(tmp_path, cache, b"two").exists()
    assert cache.get(sha256(b"one")) is not None


def test_what_nobody_used_yet_leaves_first_so_that_the_bound_holds(tmp_path: Path) -> None:
    cache = Cache(tmp_path, largest_bytes=2500)
    used = keep(tmp_path, cache, b"u" * 1000)
    for number in range(10):
        keep(tmp_path, cache, bytes([number]) * 1000, used=False)
        left = list((tmp_path / "blobs").glob("*/*"))
        assert sum(path.stat().st_size for path in left) <= 2500
        assert used in left


def test_a_cached_file_that_changed_on_disk_is_not_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 2**20)
    for opened in (cache, Cache(tmp_path, 2**20)):  # by who has hashed it, and by who has not
        path = keep(tmp_path, cache, DATA)
        path.chmod(0o600)
        path.write_bytes(DATA[:-1] + b"x")
        assert opened.get(DIGEST) is None
        assert not path.exists()


def test_a_digest_gate_refuses_a_sender_without_end() -> None:
    gate = DigestGate(DIGEST, "the registry")
    gate.size = len(DATA)
    gate.update(DATA)
    with pytest.raises(Refusal, match=f"more than the {len(DATA)} bytes .* came from the registry"):
        gate.update(b"x")


def test_a_digest_gate_refuses_other_bytes() -> None:
    gate = DigestGate(DIGEST, "the registry")
    gate.size = len(DATA)
    gate.update(DATA[:-1] + b"x")
    with pytest.raises(Refusal, match="the registry sent other bytes"):
        gate.finish()
