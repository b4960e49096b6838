"""Protocols as values: what auxiliary runs take, and what leaves the ids of older rounds as they were."""

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import METHOD_REVISION
from ratatouille.recipes.protocol import DOMAINBED, EMOJI, REFERENCE, resolve_protocol
from ratatouille.recipes.round import Round
from tests.ratatouille.recipes.simulation import a_round


def test_auxiliary_runs_on_domainnet_take_three_times_the_steps_whatever_the_target_takes() -> None:
    # docs/method.md §2: 5001 steps, DomainNet 15001, evaluated every 500.
    for row in (DOMAINBED, REFERENCE):
        assert row.of_auxiliary("pacs") == (5001, 100)
        assert row.of_auxiliary("domain-net") == (15001, 500)
        assert row.of_auxiliary("vlcs") == (5001, 50)
    on_domain_net = resolve_protocol(
        "domainbed", {"steps": 15001, "evaluate_every": 500, "auxiliary_evaluate_every": 100}
    )
    assert on_domain_net.of_auxiliary("pacs") == DOMAINBED.of_auxiliary("pacs")


def test_a_round_may_replace_the_values_of_one_auxiliary_task() -> None:
    changed = resolve_protocol("emoji", {"auxiliary_tasks": {"flags": {"steps": 7}}})
    assert changed.of_auxiliary("flags") == (7, EMOJI.evaluate_every)
    assert changed.of_auxiliary("faces") == (EMOJI.auxiliary_steps, EMOJI.evaluate_every)
    with pytest.raises(Refusal, match=r"it has no key 'auxiliary_tasks\.flags\.step'; did you mean 'steps'"):
        resolve_protocol("emoji", {"auxiliary_tasks": {"flags": {"step": 7}}})


def test_values_that_were_added_later_leave_the_ids_of_older_rounds_as_they_were() -> None:
    assert EMOJI.digest == "d49436d43cfe8e4b7ba3f70328a5f20b7992e25b818ac9b1f024e12f5dc69d3f"
    assert a_round().model_copy(update={"revision": 1}).id == "3b16f425f2d60fe7"


def test_a_round_of_this_revision_of_the_method_is_another_round_than_the_same_wish_before() -> None:
    assert METHOD_REVISION == 2
    assert a_round().id == "ae96afa6de4cd608"
    assert Round.from_json(a_round().to_json()) == a_round()


def test_a_value_that_is_not_the_default_is_part_of_the_id() -> None:
    gentle = EMOJI.model_copy(update={"auxiliary_rate_factor": 0.5})
    assert gentle.digest != EMOJI.digest
    assert type(gentle).from_json(gentle.to_json()) == gentle
