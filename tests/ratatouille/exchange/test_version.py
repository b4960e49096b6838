"""Versions and combinations: ids of 0.1, the way back to the question, and what a loss leaves."""

from __future__ import annotations

from typing import Any

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.version import NONE_LEFT, Combination, Parent, Rule, Version
from ratatouille.record import sha256
from ratatouille.weights.methods import MIX

OF_0_1 = (
    b'{"architecture":"ae36db7fbef4d2e4db6e40da261c8fb9ce393df994d170dc5504735b04fc27be",'
    b'"featurizer":"0fd2fbe530d533850c7da6c9a855c12778999a9c7ffc5de6022315eb4458aa5b",'
    b'"head":"89a72a492a2c7815d0d721a179ef2618977a876608550889e31d453c2b7325af",'
    b'"parents":[{"coefficient":1,"version":"633314d6c32437187e7419a8387be9e4b084a29ae138d99fb27c3eaead784124"},'
    b'{"coefficient":2,"version":"c569b8531bc7f5b3f90432a7a7617bcdcad9aec4c2d38c48a49a22205f6eee3e"}],'
    b'"receipt":null,"rule":{"name":"combine","purpose":"uniform","revision":1},'
    b'"task":"5318eaf44efac8c6a87fa2ab6789df9027f08dbc58a5e2b5a2b29e108d240b01"}'
)
"""An average that release 0.1 made."""
FIVE = [sha256(bytes([number])) for number in range(5)]
METHODS: list[dict[str, Any]] = [
    {},
    {"method": "trimmed_mean", "parameters": {"share": 0.2}},
    {"method": "balanced_mean", "parameters": {"authors": ["a", "a", "b", "b", "c"]}},
    {"method": "of_the_future", "parameters": {"power": 2, "of": [None, "x", {"y": 1.5}]}},
]


def of(*versions: str, counts: tuple[float, ...] = (), **values: Any) -> Combination:
    pairs = zip(versions, counts or (1,) * len(versions), strict=True)
    return Combination(parents=tuple(Parent(version=id, coefficient=count) for id, count in pairs), **values)


def version(combination: Combination) -> Version:
    return Version(
        featurizer=FIVE[0],
        head=None if combination.parts == "featurizer" else FIVE[1],
        architecture=FIVE[2],
        task=FIVE[3],
        parents=combination.parents,
        rule=combination.rule,
        receipt=None,
    )


def test_what_release_0_1_made_keeps_its_ids() -> None:
    made = Version.from_json(OF_0_1)
    assert made.to_json() == OF_0_1
    assert made.id == "b26f7005156c678fb373a7a04fb2b70d1119833f1c46bbfcdcc200efc8101ba7"
    question = Combination.of(made)
    assert question.work_id == "2e7d6caa21199336ed757c35465854b81901e97988a706a8681b7f50fda7d556"
    assert of(FIVE[0]).work_id == "0af95b40beb082d08da0dc470a309984a418309c97631e8c2017dae24ee39362"
    assert (question.method, question.parameters) == ("mean", {})
    assert question.rule == made.rule


@pytest.mark.parametrize("values", METHODS)
@pytest.mark.parametrize("parts", ["both", "featurizer"])
def test_from_a_version_one_way_leads_back_to_its_question(values: dict[str, Any], parts: str) -> None:
    asked = of(*FIVE, parts=parts, purpose="spring", **values)
    assert Combination.of(Version.from_json(version(asked).to_json())) == asked


def test_a_method_and_its_parameters_are_part_of_both_ids() -> None:
    asked = [of(*FIVE, **values) for values in METHODS] + [of(*FIVE, method="trimmed_mean", parameters={"share": 0.3})]
    assert len({one.work_id for one in asked}) == len({version(one).id for one in asked}) == len(asked)
    assert b"method" not in of(*FIVE).to_json()
    assert b"parameters" not in of(*FIVE).to_json()


@pytest.mark.parametrize("number", ["NaN", "1e999"])
def test_parameters_without_one_text_are_refused(number: str) -> None:
    text = of(*FIVE, method="trimmed_mean", parameters={"share": 0.2}).to_json().decode().replace("0.2", number)
    with pytest.raises(Refusal, match="parameters"):
        Combination.from_json(text)


def test_what_was_not_combined_has_no_such_question() -> None:
    trained = version(of(*FIVE)).model_copy(update={"rule": Rule(name="fine_tune", revision=1)})
    with pytest.raises(Refusal, match="was not combined: its rule is fine_tune"):
        Combination.of(trained)
    with pytest.raises(Refusal, match=r"is no combination: parents: tuple should have at least 1 item"):
        Combination.of(version(of(*FIVE)).model_copy(update={"parents": ()}))


# -- what is left when a parent is lost


def test_a_trimmed_mean_stays_one_with_its_share() -> None:
    asked = of(*FIVE, purpose="trimmed", method="trimmed_mean", parameters={"share": 0.2})
    left = asked.without({FIVE[1]: None, FIVE[4]: "f" * 64})
    assert left == of(
        FIVE[0], *FIVE[2:4], "f" * 64, purpose="trimmed", method="trimmed_mean", parameters={"share": 0.2}
    )


def test_a_trimmed_mean_of_which_nothing_would_remain_is_refused() -> None:
    asked = of(*FIVE, method="trimmed_mean", parameters={"share": 0.5})
    with pytest.raises(Refusal, match=r"a trimmed mean of 4 that cuts off 0.5 at each end leaves none"):
        asked.without({FIVE[1]: None})


def test_a_balanced_mean_is_balanced_anew() -> None:
    authors = ["a", "a", "b", "b", "c"]
    asked = of(*FIVE, counts=(1, 1, 1, 1, 2), method="balanced_mean", parameters={"authors": authors})
    left = asked.without({FIVE[0]: None})
    assert [parent.coefficient for parent in left.parents] == [2, 1, 1, 2]
    assert left.authors == ["a", "b", "b", "c"]


def test_counts_of_a_mean_stay_what_they_were() -> None:
    assert of(*FIVE, counts=(1, 2, 3, 4, 5)).without({FIVE[1]: None}) == of(FIVE[0], *FIVE[2:], counts=(1, 3, 4, 5))


def test_nothing_takes_the_place_of_a_mix_of_nothing_or_of_what_is_not_known() -> None:
    with pytest.raises(Refusal, match=MIX):
        of(*FIVE[:2], counts=(0.25, 0.75)).without({FIVE[0]: None})
    with pytest.raises(Refusal, match=NONE_LEFT):
        of(*FIVE[:2]).without(dict.fromkeys(FIVE[:2]))
    with pytest.raises(Refusal, match="the method 'of_the_future' of combining is not known"):
        of(*FIVE, **METHODS[3]).without({FIVE[0]: None})
    with pytest.raises(Refusal, match="the method balanced_mean has other parameters"):
        of(*FIVE, method="balanced_mean").without({FIVE[0]: None})
