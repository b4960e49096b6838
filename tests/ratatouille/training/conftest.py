from __future__ import annotations

import pytest

from tests.ratatouille.training.kitchen import Kitchen, lay_out


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    return lay_out(tmp_path_factory.mktemp("kitchen"))
