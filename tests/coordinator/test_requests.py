"""Asking for a round again: one that runs is found, whoever is here now."""

from collections.abc import Sequence
from typing import Any

import pytest

from coordinator.requests import request
from coordinator.settings import RoundSettings
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Offer
from registry.records import RoundRecord, RoundState
from tests.coordinator.test_settings import Offered
from tests.memory import registry_of


class Rounds(Offered):
    """A registry with rounds; its nodes can leave."""

    def __init__(self) -> None:
        super().__init__()
        self.here = super().offers()
        self.kept: dict[str, RoundRecord] = {}

    def offers(self) -> list[Offer]:
        return self.here

    def rounds(
        self, states: Sequence[RoundState] = (), before: str | None = None, limit: int = 50
    ) -> list[RoundRecord]:
        return [] if before else [one for one in self.kept.values() if not states or one.state in states]

    def round(self, id: str) -> RoundRecord:
        return self.kept[id]

    def request_round(self, record: RoundRecord) -> RoundRecord:
        return self.kept.setdefault(record.id, record)

    def move_round(self, id: str, expected: Sequence[RoundState], state: RoundState, reason: str = "") -> bool:
        if self.kept[id].state not in expected:
            return False
        self.kept[id] = self.kept[id].model_copy(update={"state": state})
        return True


def settings(**wishes: Any) -> RoundSettings:
    wanted: dict[str, Any] = {"name": "spring", "target": "shapes", "held_out": ["ink"], "recipes": ["ratatouille"]}
    return RoundSettings.model_validate(wanted | wishes)


def asked(rounds: Rounds, fresh: bool = False, **wishes: Any) -> str:
    return request(settings(**wishes), registry_of(rounds), fresh).id


def test_a_running_round_is_followed_when_all_its_nodes_have_left() -> None:
    rounds = Rounds()
    first = asked(rounds)
    rounds.here = []
    assert asked(rounds) == first
    with pytest.raises(Refusal, match="no node that is here"):
        asked(rounds, recipes=["soup"])


def test_a_running_round_is_followed_when_somebody_else_has_come() -> None:
    rounds = Rounds()
    first = asked(rounds)
    (anna,) = rounds.here
    other = anna.holdings[0].model_copy(update={"fingerprint": "e" * 64})
    rounds.here = [anna, anna.model_copy(update={"node": "d" * 64, "name": "bo", "holdings": (other,)})]
    assert asked(rounds) == first
    assert asked(rounds, fresh=True) != first


def test_other_settings_are_another_round_whatever_its_name() -> None:
    rounds = Rounds()
    first = asked(rounds)
    assert asked(rounds, trial=1) != first


def test_a_round_that_is_over_is_asked_for_of_those_who_are_here() -> None:
    rounds = Rounds()
    first = asked(rounds)
    rounds.move_round(first, ["requested"], "failed")
    assert asked(rounds) == first
    rounds.move_round(first, ["requested"], "failed")
    rounds.here = []
    with pytest.raises(Refusal, match="no node that is here"):
        asked(rounds)
