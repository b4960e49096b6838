"""The contract of a store for weights: one suite over a folder, memory, and a real S3 server."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.record import sha256
from registry.blobs import objects
from registry.blobs.opening import open_store
from registry.blobs.store import BlobStore, Lost

ROOT = Path(__file__).parents[3]
SMALL = b"weights" * 1000
LARGE = random.Random(0).randbytes(9_600_000)
"""9.6 MB: two parts of an upload, three ranges of a read."""
assert len(LARGE) > objects.PART


@pytest.fixture(params=["folder", "memory", "S3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "folder":
            return str(tmp_path / "store")
        case "memory":
            return f"memory://{tmp_path.name}"
        case "another disk":
            return str(request.getfixturevalue("another_disk"))
    return str(request.getfixturevalue("s3").url(tmp_path.name))


@pytest.fixture
def store(url: str) -> BlobStore:
    return open_store(url)


@pytest.fixture
def put(store: BlobStore, tmp_path: Path) -> Callable[..., str]:
    """Puts bytes, under their digest or another name; a store may take the file away."""

    def put(data: bytes, digest: str = "") -> str:
        path = tmp_path / f"{time.monotonic_ns()}"
        path.write_bytes(data)
        store.put(path, digest or sha256(data))
        return digest or sha256(data)

    return put


def whole(store: BlobStore, digest: str, offset: int = 0) -> bytes:
    return b"".join(store.stream(digest, offset))


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_what_was_put_is_there_whole_and_from_any_offset(
    store: BlobStore, put: Callable[..., str], data: bytes
) -> None:
    digest = put(data)
    assert store.size(digest) == len(data)
    for offset in (0, 1, len(data) // 2, len(data) - 1, len(data), len(data) + 10):
        assert whole(store, digest, offset) == data[offset:]
        assert store.read(digest, offset, 1000) == data[offset : offset + 1000]
    path = store.path(digest)
    assert path is None or path.read_bytes() == data


def test_what_is_not_there_is_named(store: BlobStore) -> None:
    digest = sha256(b"nothing")
    assert store.size(digest) is None
    assert list(store.stored()) == []
    with pytest.raises(Lost, match=f"weights {digest[:12]}… are missing"):
        store.read(digest, 0, 10)
    with pytest.raises(Lost, match=f"weights {digest[:12]}… are missing"):
        whole(store, digest)
    store.remove(digest)


def test_the_listing_has_digests_lengths_and_times_and_what_was_removed_is_gone(
    store: BlobStore, put: Callable[..., str]
) -> None:
    begun = time.time()
    digests = [put(data) for data in (SMALL, SMALL[1:], LARGE)]
    listed = {stored.digest: stored for stored in store.stored()}
    assert {digest: one.size for digest, one in listed.items()} == {
        digests[0]: len(SMALL),
        digests[1]: len(SMALL) - 1,
        digests[2]: len(LARGE),
    }
    assert all(begun - 2 <= one.modified <= time.time() + 2 for one in listed.values())
    store.remove(digests[0])
    assert store.size(digests[0]) is None
    assert {stored.digest for stored in store.stored()} == set(digests[1:])


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("wrong", [b"", b"short", None], ids=["empty", "truncated", "corrupt"])
def test_putting_again_keeps_what_is_right_and_replaces_what_is_not(
    store: BlobStore, put: Callable[..., str], data: bytes, wrong: bytes | None
) -> None:
    digest = put(data)
    before = list(store.stored())
    put(data)
    assert list(store.stored()) == before
    store.remove(digest)
    put(bytes(len(data)) if wrong is None else wrong, digest)
    assert sha256(whole(store, digest)) != digest
    put(data)
    assert whole(store, digest) == data


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_of_many_that_put_the_same_at_once_all_succeed_and_one_blob_is_there(
    store: BlobStore, put: Callable[..., str], data: bytes
) -> None:
    with ThreadPoolExecutor(6) as pool:
        digests = set(pool.map(put, [data] * 6))
    assert digests == {sha256(data)}
    assert [(one.digest, one.size) for one in store.stored()] == [(sha256(data), len(data))]
    assert whole(store, sha256(data)) == data


def test_many_that_put_different_weights_lose_none(store: BlobStore, put: Callable[..., str]) -> None:
    files = [SMALL + bytes([number]) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(put, files))
    assert {one.digest for one in store.stored()} == set(digests)
    assert all(whole(store, digest) == data for digest, data in zip(digests, files, strict=True))


def test_a_reader_that_stops_in_the_middle_leaves_the_store_usable(store: BlobStore, put: Callable[..., str]) -> None:
    digest = put(LARGE)
    reader = store.stream(digest)
    assert LARGE.startswith(bytes(next(reader)))
    reader.close()
    assert whole(store, digest) == LARGE


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "é" * 64])
def test_names_that_are_no_digests_are_refused_by_every_verb(store: BlobStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(SMALL)
    for call in (
        lambda: store.put(tmp_path / "file", name),
        lambda: store.size(name),
        lambda: store.read(name, 0, 1),
        lambda: whole(store, name),
        lambda: store.remove(name),
    ):
        with pytest.raises(Refusal, match="is no digest of weights"):
            call()
    assert list(store.stored()) == []


def test_a_good_store_passes_its_check(store: BlobStore) -> None:
    store.check()


PUT = """
import sys
from pathlib import Path
from registry.blobs.opening import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
store.put(Path(sys.argv[2]), sys.argv[3])
"""


@pytest.mark.parametrize("url", ["folder", "another disk", "S3"], indirect=True)
@pytest.mark.parametrize("delay", [0.02, 0.15])
def test_killed_while_it_puts_it_leaves_all_or_nothing_and_puts_again(
    url: str, store: BlobStore, tmp_path: Path, delay: float
) -> None:
    data = LARGE * 3
    path, digest = tmp_path / "source", sha256(data)
    path.write_bytes(data)
    process = subprocess.Popen(
        [sys.executable, "-c", PUT, url, str(path), digest],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert store.size(digest) in (None, len(data))
    assert [one.size for one in store.stored()] in ([], [len(data)])
    path.write_bytes(data)
    store.put(path, digest)
    assert sha256(whole(store, digest)) == digest
