"""What a rehearsal says of work that is not its own; whole rehearsals are compared in `test_federation`."""

from pathlib import Path

import pytest

from coordinator import rehearsal
from coordinator.rehearsal import Stage
from ratatouille.exchange.order import Hint
from tests.coordinator.test_matching import probe


def test_data_that_no_given_node_holds_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another rehearsal's offers may stand in the same registry.
    worker = rehearsal._Worker(Stage(str(tmp_path / "registry"), (), tmp_path))
    monkeypatch.setattr(rehearsal, "_worker", [worker])
    hint = Hint.from_json(rehearsal._work(probe("elsewhere").to_json()))
    assert hint.outcome == "refused"
    assert "data that another node offers" in hint.reason
