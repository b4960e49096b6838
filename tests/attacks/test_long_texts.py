"""Somebody who stores or announces texts that are too long to be read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from ratatouille.errors import Refusal
from ratatouille.tasks.task import Task
from registry.records import RoundRecord
from registry.schema import RoundRow, SettingRow
from registry.services.local import LocalRegistry

LONG = "x" * (5 * 2**20)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[LocalRegistry]:
    with closing(LocalRegistry(tmp_path / "registry")) as opened:
        yield opened


def a_round(name: str, **values: object) -> RoundRecord:
    given = {"id": name, "name": name, "spec": "{}", "state": "requested", "created": 1.0, "changed": 1.0}
    return RoundRecord.model_validate(given | values)


def test_what_is_too_long_is_refused_and_nothing_fails_for_others(registry: LocalRegistry) -> None:
    with pytest.raises(Refusal, match="300 characters"):
        registry.maintenance.configure("fleet", LONG)
    with pytest.raises(Refusal, match="the round's settings has"):
        registry.rounds.request_round(a_round("long", spec=LONG))
    with pytest.raises(Refusal, match="the reason of a round's state has"):
        registry.rounds.request_round(a_round("long", reason=LONG))
    with pytest.raises(Refusal, match="the definition of task pets has"):
        registry.definitions.define_task(
            Task(name="pets", kind="target", classes=("a", "b"), domains=("x",), description=LONG)
        )
    registry.rounds.request_round(a_round("fine"))
    registry.rounds.move_round("fine", ["requested"], "failed", LONG)
    assert len(registry.rounds.round("fine").reason) == 4000
    assert registry.info().fleet is None
    assert registry.rounds.rounds()[0].name == "fine"


def test_a_row_that_cannot_be_read_harms_itself_only(registry: LocalRegistry) -> None:
    registry.maintenance.configure("node_transfers", 7)
    registry.rounds.request_round(a_round("old"))
    registry.rounds.request_round(a_round("new"))
    with registry.storage.database.write() as connection:
        connection.execute(insert(SettingRow).values(name="fleet", value=f'"{LONG}"'))
        connection.execute(update(RoundRow).where(RoundRow.id == "old").values(spec=LONG))
    assert registry.info().fleet is None
    assert registry.maintenance.settings().node_transfers == 7
    assert [(one.name, one.spec) for one in registry.rounds.rounds()] == [("new", "{}"), ("old", "")]
    assert "its settings have 5242880 characters" in registry.rounds.round("old").reason
