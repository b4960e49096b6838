"""The shorter pauses of Flower's SuperNode, and that the pinned release still has what they stand in for."""

import ast
import inspect

import pytest
from flwr.supernode import start_client_internal

from contributor_client import flower_supernode
from contributor_client.flower_supernode import REPLY_SECONDS, SHORTLY, SOON_SECONDS, Pauses


def test_flowers_loop_uses_nothing_of_time_but_sleep_with_the_pauses_that_we_know() -> None:
    tree = ast.parse(inspect.getsource(start_client_internal))
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "time"]
    assert {node.attr for node in used} == {"sleep"}
    pauses = [ast.literal_eval(node.args[0]) for node in ast.walk(tree) if _sleeps(node)]  # type: ignore[attr-defined]
    assert sorted(pauses) == [0.5, 0.5, 3]


def _sleeps(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"


class Clock:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_a_node_looks_often_while_a_reply_or_the_next_message_is_to_be_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(flower_supernode, "time", clock)
    pauses = Pauses()
    for _ in range(20):
        pauses.sleep(3)
    shortly = int(SHORTLY / SOON_SECONDS)
    assert clock.slept == [SOON_SECONDS] * shortly + [3] * (20 - shortly)
    clock.slept.clear()
    pauses.sleep(0.5)  # at work: waits for a reply
    pauses.sleep(3)
    assert clock.slept == [REPLY_SECONDS, SOON_SECONDS]
