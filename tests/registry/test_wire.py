from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Parent
from registry.proto.generate import GENERATED, HERE, generate
from registry.records import Result
from registry.services.method import Service
from registry.services.registry import SERVICES, Registry
from registry.transport.wire import CALLS, SLOW_DEADLINE_SECONDS

CALM = settings(deadline=None, max_examples=40)
"""No deadline: tests share the machine."""


def test_the_generated_messages_are_those_of_the_proto_file(tmp_path: Path) -> None:
    generate(tmp_path)
    for name in GENERATED:
        assert (tmp_path / "registry" / "proto" / name).read_text() == (HERE / name).read_text(), (
            "run python -m registry.proto.generate"
        )


def test_every_public_method_of_a_service_travels_unless_it_is_for_its_own_process() -> None:
    public = [
        name
        for service in (Registry, *SERVICES.values())
        for name, value in vars(service).items()
        if callable(value) and not name.startswith("_")
    ]
    assert len(public) == len(set(public))
    assert set(public) - CALLS.keys() == {"close", "settings", "configure", "stream"}
    assert {name for name, call in CALLS.items() if call.method.declaration.stream} == {"fetch", "push", "watch"}


def test_each_method_has_a_path_of_its_own_in_grpc() -> None:
    assert CALLS["log"].path == "/ratatouille.registry.v1.Versions/Log"
    assert CALLS["move_alias"].path == "/ratatouille.registry.v1.Releases/MoveAlias"
    assert len({call.path for call in CALLS.values()}) == len(CALLS)


def test_slow_methods_are_waited_for_longer() -> None:
    slow = {name for name, call in CALLS.items() if call.deadline == SLOW_DEADLINE_SECONDS}
    named = {"combine", "retract", "collect", "verify", "audit", "diff", "member"}
    assert slow == named | {"inspect", "credit", "owe_credit"}


def test_a_method_without_a_role_is_no_method_of_a_service() -> None:
    def forget(self: Service) -> None:
        """Anything."""

    with pytest.raises(TypeError, match=r"Careless\.forget does not declare who may call it"):
        type("Careless", (Service,), {"forget": forget})


@CALM
@given(
    coefficient=st.one_of(st.integers(1, 10**6), st.floats(-100, 100).filter(lambda value: value != 0)),
    message=st.text(max_size=30),
)
def test_arguments_arrive_as_they_were_given(coefficient: float, message: str) -> None:
    asked = Combination(parents=(Parent(version="a" * 64, coefficient=coefficient),), purpose="soup")
    method = CALLS["combine"]
    arrived = method.decode(method.encode(asked, message=message))
    assert arrived == {"combination": asked, "round": None, "message": message}
    assert arrived["combination"].work_id == asked.work_id


def test_results_arrive_as_they_were_returned() -> None:
    result = Result(work_id="a" * 64, seconds=1.5)
    assert CALLS["results"].result(to_json({"a" * 64: result})) == {"a" * 64: result}
    assert CALLS["lease"].result(to_json(None)) is None


def test_an_answer_of_other_software_says_what_to_do() -> None:
    with pytest.raises(Refusal, match=r"answers info as other software would \(colour: extra .*pip install --upgrade"):
        CALLS["info"].result(b'{"software":"ratatouille 9.0.0","colour":"red"}')


@pytest.mark.parametrize(
    "data", [b'{"work_id":1,"node":"x"}', b'{"node":"x"}', b"[]", b'{"work_id":"a","node":"b","c":1}']
)
def test_arguments_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(Refusal, match="release cannot be called like this"):
        CALLS["release"].decode(data)
