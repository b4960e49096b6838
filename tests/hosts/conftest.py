"""Hosts in network namespaces; without root, and where the kernel has none, these tests are skipped with the reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hosts.network import Network, why_not

REASON = why_not()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """A switch without hosts."""
    if REASON is not None:
        pytest.skip(REASON)
    with Network(tmp_path) as made:
        yield made
