import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ratatouille.tasks.task import SplitRule, position_of, split_of

fractions = st.integers(1, 100).flatmap(
    lambda train: st.integers(0, 100 - train).map(lambda validation: (train, validation, 100 - train - validation))
)


def test_known_groups_have_known_positions_and_splits() -> None:
    assert position_of("pets", "rex") == 0.5212701751663386
    assert position_of("pets", "rex", trial=1) == 0.6039630753549073
    assert split_of("pets", "rex", SplitRule()) == "train"
    assert split_of("pets", "rex", SplitRule(train=0.5, validation=0.5)) == "validation"
    assert split_of("pets", "rex", SplitRule(train=0.3, validation=0.2, test=0.5)) == "test"


@pytest.mark.parametrize(
    ("group", "bits"), [("6", 6037051559950635), ("10", 8303092536410635), ("12", 7016675526276119)]
)
def test_a_position_has_53_bits_no_more_and_no_fewer(group: str, bits: int) -> None:
    """These groups lie above one half, their 53rd bit is set, and the bits after it would round up."""
    assert position_of("pets", group) == bits / 2**53
    assert position_of("pets", group) > 0.5
    assert bits % 2 == 1


def test_a_group_on_a_border_lies_on_the_side_after_it() -> None:
    position = 0.5212701751663386
    assert position_of("pets", "rex") == position
    before, after = math.nextafter(position, 0), math.nextafter(position, 1)
    borders = ((before, "validation"), (position, "validation"), (after, "train"))
    for train, side in borders:
        assert split_of("pets", "rex", SplitRule(train=train, validation=1 - train)) == side
    for end, side in ((before, "test"), (position, "test"), (after, "validation")):
        rule = SplitRule(train=0.25, validation=end - 0.25, test=1 - end)
        assert rule.train + rule.validation == end
        assert split_of("pets", "rex", rule) == side


def test_the_last_fraction_gets_what_rounding_leaves_below_one() -> None:
    most = math.nextafter(1, 0)
    position = position_of("pets", "10")
    nearly = SplitRule(train=position, validation=most - position)
    assert split_of("pets", "10", nearly) == "validation"
    assert split_of("pets", "10", SplitRule(train=1 - 1e-10, validation=0.0, test=1e-10)) == "train"


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 9))
def test_a_position_lies_in_the_unit_interval(task: str, group: str, trial: int) -> None:
    assert 0 <= position_of(task, group, trial) < 1


@settings(deadline=None)
@given(fractions, st.text(max_size=20))
def test_a_fraction_of_zero_is_never_returned(percent: tuple[int, int, int], group: str) -> None:
    rule = SplitRule(train=percent[0] / 100, validation=percent[1] / 100, test=percent[2] / 100)
    assert getattr(rule, split_of("pets", group, rule)) > 0


@settings(deadline=None)
@given(st.floats(0.1, 0.8), st.text(max_size=20))
def test_a_larger_train_fraction_keeps_whoever_trained(train: float, group: str) -> None:
    if split_of("pets", group, SplitRule(train=train, validation=1 - train)) == "train":
        more = SplitRule(train=train + 0.1, validation=1 - train - 0.1)
        assert split_of("pets", group, more) == "train"


@pytest.mark.parametrize("trial", [0, 1])
def test_many_groups_are_split_in_proportion(trial: int) -> None:
    rule = SplitRule(train=0.6, validation=0.3, test=0.1)
    sides = [split_of("pets", str(number), rule, trial) for number in range(10_000)]
    assert sides.count("train") == pytest.approx(6000, abs=150)
    assert sides.count("validation") == pytest.approx(3000, abs=150)


def test_trials_and_tasks_split_independently() -> None:
    groups = [str(number) for number in range(1000)]
    rule = SplitRule(train=0.5, validation=0.5)
    first, second = ([split_of("pets", group, rule, trial) for group in groups] for trial in (0, 1))
    other = [split_of("plants", group, rule) for group in groups]
    for sides in (second, other):
        assert sum(a == b for a, b in zip(first, sides, strict=True)) == pytest.approx(500, abs=60)


def test_fractions_that_do_not_add_to_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="must add to 1"):
        SplitRule(train=0.8, validation=0.3)
