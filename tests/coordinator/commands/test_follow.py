"""Following a round that waits for a coordinator."""

from typing import cast

import pytest

from coordinator.commands.follow import follow
from registry.port import Registry
from registry.records import Info, RoundRecord
from tests.coordinator.test_rounds import Books
from tests.ratatouille.recipes.simulation import a_round


class Alone(Books):
    """A registry without a coordinator; somebody cancels the round after a while."""

    looks = 0

    def info(self) -> Info:
        return Info(software="test")

    def round(self, id_: str) -> RoundRecord:
        self.looks += 1
        return self.row.model_copy(update={"state": "requested" if self.looks < 3 else "cancelled"})


def test_a_round_without_a_coordinator_says_what_it_waits_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.commands.follow._LOOK_SECONDS", 0.0)
    books = Alone(a_round("", ("soup",)), "anna")
    follow(cast(Registry, books), books.row.id)
    out = "".join(capsys.readouterr())
    assert out.count("no coordinator is up; the round waits until `ratatouille coordinator up`") == 1
