"""What a person's own MLflow address holds beside its host is never repeated."""

from __future__ import annotations

import pytest

from coordinator.mlflow_runs import _refusals
from ratatouille.errors import Refusal


@pytest.mark.parametrize(
    "uri",
    ["http://anna:s3cret@host/", "http://anna:x/s3cret@host", "http://host/?token=s3cret", "postgresql://h/d?p=s3cret"],
)
def test_no_part_of_an_address_is_repeated(uri: str) -> None:
    with pytest.raises(Refusal, match=r"MLflow at [a-z]+://…") as caught, _refusals(uri):
        raise RuntimeError(f"nobody answers at {uri}")
    assert "s3cret" not in str(caught.value)
