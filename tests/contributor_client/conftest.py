from __future__ import annotations

import pytest

from tests.contributor_client.pantry import Pantry, stock


@pytest.fixture(scope="session")
def pantry(tmp_path_factory: pytest.TempPathFactory) -> Pantry:
    """One for all: nobody may change its registry."""
    return stock(tmp_path_factory.mktemp("pantry"))
