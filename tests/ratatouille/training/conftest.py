from __future__ import annotations

import pytest

from tests.ratatouille.training.setup import TrainingSetup, set_up


@pytest.fixture(scope="session")
def setup(tmp_path_factory: pytest.TempPathFactory) -> TrainingSetup:
    return set_up(tmp_path_factory.mktemp("setup"))
