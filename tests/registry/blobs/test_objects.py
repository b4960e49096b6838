"""What only a store elsewhere can do: go away, and come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.errors import Misconfigured, Unreachable
from ratatouille.record import sha256
from registry.blobs.opening import open_store
from tests.registry.s3 import Weed

DATA = b"weights" * 1000
DIGEST = sha256(DATA)


def test_a_server_that_goes_away_is_unreachable_and_when_it_is_back_all_works(own_s3: Weed, tmp_path: Path) -> None:
    store = open_store(own_s3.url("x"))
    path = tmp_path / "file"
    path.write_bytes(DATA)
    store.put(path, DIGEST)
    own_s3.kill()
    for call in (
        lambda: store.put(path, DIGEST),
        lambda: store.size(DIGEST),
        lambda: store.read(DIGEST, 0, 10),
        lambda: list(store.stream(DIGEST)),
        lambda: store.remove(DIGEST),
        lambda: list(store.stored()),
        store.check,
    ):
        with pytest.raises(Unreachable, match=r"does not answer \(no connection\); try again"):
            call()
    own_s3.start()
    assert b"".join(store.stream(DIGEST)) == DATA
    store.put(path, DIGEST)
    assert [one.digest for one in store.stored()] == [DIGEST]


def test_credentials_that_end_while_it_runs_are_said_and_are_no_fault_of_whoever_asks(
    s3: Weed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    store = open_store(s3.url("x"))
    with pytest.raises(Misconfigured, match=r"refuses the registry's requests \(status 403\)"):
        store.size(DIGEST)
    with pytest.raises(Misconfigured, match="SignatureDoesNotMatch") as caught:
        store.read(DIGEST, 0, 10)
    assert "another-secret" not in str(caught.value)
    with pytest.raises(Misconfigured, match="check the credentials"):
        store.check()


def test_a_bucket_that_is_not_there_does_not_pass_and_is_no_missing_weight(s3: Weed) -> None:
    store = open_store("s3://nowhere/x")
    for call in (
        lambda: store.read(DIGEST, 0, 10),
        lambda: list(store.stored()),
        store.check,
    ):
        with pytest.raises(Misconfigured, match=r"NoSuchBucket|no such bucket"):
            call()
