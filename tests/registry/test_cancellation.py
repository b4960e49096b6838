"""Work that nobody waits for any more is not begun, or stops."""

from __future__ import annotations

from contextlib import closing
from itertools import count, takewhile

import pytest
from sqlalchemy import select

from ratatouille.exchange.version import Combination, Parent
from registry.cancellation import Cancelled, check_cancelled, working_for
from registry.schema import UploadRow
from tests.registry.behind import direct
from tests.registry.world import World


def test_whoever_does_not_say_otherwise_waits() -> None:
    check_cancelled()
    with working_for(lambda: True):
        check_cancelled()


def test_nothing_is_begun_for_somebody_who_is_gone() -> None:
    begun = []
    with pytest.raises(Cancelled), working_for(lambda: False):
        begun.append(True)
    assert begun == []
    check_cancelled()


def test_a_combination_stops_when_its_asker_is_gone_and_can_be_asked_for_again(world: World) -> None:
    start = world.probed()
    one, two = (world.tuned(start, seed) for seed in (2, 3))
    question = Combination(parents=(Parent(version=str(one.version)), Parent(version=str(two.version))))
    with closing(direct(world)) as registry:
        patience = takewhile(lambda looks: looks < 2, count())
        with pytest.raises(Cancelled), working_for(lambda: next(patience, None) is not None):
            registry.work.combine(question)
        with registry.storage.database.read() as connection:
            assert connection.execute(select(UploadRow.digest)).all() == []
        assert registry.work.results([question.work_id]) == {}
        made = registry.work.combine(question)
        patience = takewhile(lambda looks: looks < 1, count())
        with pytest.raises(Cancelled), working_for(lambda: next(patience, None) is not None):
            registry.versions.verify(str(made.version))
        assert registry.versions.verify(str(made.version)).ok
