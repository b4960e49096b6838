"""Dispatch over a Grid that is made up: what Flower does badly must not cost a node its place in the round."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid

from coordinator.dispatch import Dispatch
from ratatouille.errors import Unreachable


class FullGrid:
    """One node; takes no message while `full`."""

    def __init__(self) -> None:
        self.full = True
        self.pushed: list[Any] = []

    def get_nodes(self) -> list[NodeInfo]:
        return [NodeInfo(node_id=7)]

    def push_messages(self, messages: Iterable[Any]) -> Iterable[str]:
        self.pushed += [] if self.full else messages
        return [] if self.full else [str(len(self.pushed))]

    def pull_messages(self, ids: Any) -> list[Any]:
        return []


def test_a_node_that_could_not_be_asked_who_it_is_is_asked_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    # Flower's own messages can be made inside of a run only.
    monkeypatch.setattr("coordinator.dispatch.Message", lambda content, **_: content)
    grid = FullGrid()
    lane = Dispatch(cast(Grid, grid))
    with pytest.raises(Unreachable, match="did not take a message for node 7"):
        lane.nodes()
    grid.full = False
    lane.nodes()
    asked = len(grid.pushed)
    assert asked >= 1
    lane.nodes()
    assert len(grid.pushed) == asked
