"""A node's key: private, whole, and one for ever, however many ask for it first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer


def test_the_key_and_its_folder_are_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "node" / "key"
    made = Signer.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    assert Signer.open(path).node == made.node


def test_all_who_open_a_new_key_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for attempt in range(20):
            path = tmp_path / f"{attempt}" / "key"
            nodes = set(pool.map(lambda _, path=path: Signer.open(path).node, range(8)))
            assert nodes == {Signer.open(path).node}


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(Refusal, match="is not a node's key"):
        Signer.open(tmp_path / "key")
