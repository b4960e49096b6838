"""From a round.toml to a round: the same wish is the same round, however it is written."""

from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from coordinator.inputs import evaluation_shares, target_shares
from coordinator.settings import RoundSettings, image_size_sentence, resolve
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Offer
from ratatouille.recipes.round import Round
from ratatouille.record import sha256
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.synthetic import synthetic_tasks
from ratatouille.tasks.task import Split, Task
from tests.memory import registry_of

DOMAINS = ("clay", "ink", "wool", "glass")
TASKS = {
    name: Task(name=name, kind="target" if name == "shapes" else "auxiliary", classes=("a", "b"), domains=DOMAINS)
    for name in ("shapes", "faces", "flags")
}


class Offered:
    """A registry where one node offers data of every task; of some domains so many trials have both sides."""

    def __init__(self, trials: Mapping[str, int] = MappingProxyType({})) -> None:
        self._trials = dict(trials)

    def task(self, name: str) -> Task:
        return TASKS[name]

    def architecture(self, digest: str) -> object:
        return SimpleNamespace(input_size=224)

    def show(self, revision: str) -> object:
        version = SimpleNamespace(architecture=sha256(b"a"), id=sha256(b"v"), featurizer=sha256(b"f"))
        state = "retracted" if revision == "withdrawn" else "admitted"
        return SimpleNamespace(entry=SimpleNamespace(id=version.id, version=version, state=state))

    def offers(self) -> list[Offer]:
        holdings = tuple(
            Holding(
                task=task.digest,
                task_name=task.name,
                counts={domain: {"train": (1, 1), "validation": (1, 1)} for domain in DOMAINS},
                fingerprint=sha256(task.name.encode()),
                trials=self._trials,
            )
            for task in TASKS.values()
        )
        return [Offer(node=sha256(b"anna"), name="anna", holdings=holdings, issued=0.0)]


def resolved(**wishes: Any) -> Round:
    settings = RoundSettings.model_validate({"name": "round", "target": "shapes", **wishes})
    return resolve(settings, registry_of(Offered()))


def test_the_order_in_which_domains_are_held_out_changes_nothing() -> None:
    # It goes into the seeds of all runs and into what is counted.
    one = resolved(held_out=["ink", "wool"])
    assert one.held_out == ("ink", "wool")
    assert resolved(held_out=["wool", "ink"]) == one
    assert resolved(held_out=["wool", "ink", "wool"]) == one


def test_the_order_of_slices_and_auxiliaries_changes_nothing_and_each_counts_once() -> None:
    one = resolved(held_out=["ink"], slices=["seen", "new"], auxiliaries=["faces", "flags"])
    assert [auxiliary.name for auxiliary in one.auxiliaries] == ["faces", "flags"]
    again = resolved(held_out=["ink"], slices=["new", "seen", "new"], auxiliaries=["flags", "faces", "flags"])
    assert again == one


def test_a_recipe_that_is_named_twice_is_followed_once() -> None:
    assert resolved(recipes=["soup", "vanilla", "soup"]).recipes == ("soup", "vanilla")


def test_nothing_starts_from_a_retracted_version() -> None:
    with pytest.raises(Refusal, match="which is retracted"):
        resolved(foundation="withdrawn")


SHAPES = synthetic_tasks()["shapes"]
BOTH: dict[Split, tuple[int, ...]] = {"train": (1, 1, 1), "validation": (1, 1, 1)}


def held(
    node: str, data: str, *domains: str, lacks: Mapping[str, dict[Split, tuple[int, ...]]] = MappingProxyType({})
) -> Offer:
    holding = Holding(
        task=SHAPES.digest,
        task_name=SHAPES.name,
        counts={domain: lacks.get(domain, BOTH) for domain in domains},
        fingerprint=sha256(data.encode()),
    )
    return Offer(node=sha256(node.encode()), name=node, holdings=(holding,), issued=0.0)


def test_replicas_are_one_holding_and_different_complete_holdings_are_several() -> None:
    domains = ("day", "night")
    replicas = [held("anna", "one", *domains), held("bo", "one", *domains)]
    assert len(target_shares(SHAPES, domains, replicas).shares) == 1
    both = target_shares(SHAPES, domains, [*replicas, held("carl", "two", *domains)])
    assert {share.fingerprint for share in both.shares} == {sha256(b"one"), sha256(b"two")}
    # Who has a part only is not needed where others have all.
    assert target_shares(SHAPES, domains, [*replicas, held("dora", "three", "day")]) == target_shares(
        SHAPES, domains, replicas
    )


def test_domains_that_are_spread_are_trained_on_where_they_are() -> None:
    domains = ("day", "night")
    spread = target_shares(SHAPES, domains, [held("anna", "one", "day"), held("bo", "two", "night")])
    assert sorted(share.domains for share in spread.shares) == [("day",), ("night",)]
    assert spread.left_out == ()
    with pytest.raises(Refusal, match="no node that is here trains on night"):
        target_shares(SHAPES, domains, [held("anna", "one", "day")])


NO_TRAIN: dict[Split, tuple[int, ...]] = {"train": (0, 0, 0), "validation": (1, 0, 0)}
NO_VALIDATION: dict[Split, tuple[int, ...]] = {"train": (1, 1, 1), "validation": (0, 0, 0)}


@pytest.mark.parametrize(("counts", "lack"), [(NO_TRAIN, "training"), (NO_VALIDATION, "validation")])
def test_a_holding_whose_domain_has_an_empty_side_is_left_out_of_training_there(
    counts: dict[Split, tuple[int, ...]], lack: str
) -> None:
    domains = ("day", "night")
    tiny, whole = held("bo", "two", "night", lacks={"night": counts}), held("anna", "one", "day")
    found = target_shares(SHAPES, domains, [whole, tiny])
    assert [(share.fingerprint, share.domains) for share in found.shares] == [(sha256(b"one"), ("day",))]
    (gap,) = found.left_out
    assert (gap.task, gap.domain, gap.fingerprint, gap.lack) == ("shapes", "night", sha256(b"two"), lack)
    assert f"no image to {'train' if lack == 'training' else 'validate'} on" in gap.sentence
    # a replica of the domain that is large enough is used instead, and the tiny one is said all the same
    other = target_shares(SHAPES, domains, [whole, tiny, held("carl", "three", "night")])
    assert {share.fingerprint for share in other.shares} == {sha256(b"one"), sha256(b"three")}
    assert other.left_out == found.left_out
    # in one holding of several domains only the tiny one is left out
    mixed = target_shares(SHAPES, domains, [held("anna", "one", *domains, lacks={"night": counts})])
    assert [share.domains for share in mixed.shares] == [("day",)]
    # what would not have been used anyway is not said
    assert target_shares(SHAPES, domains, [held("dora", "four", *domains), tiny]).left_out == ()
    # and it is counted on where it is held out
    assert [share.domains for share in evaluation_shares(SHAPES, ("night",), [tiny])] == [("night",)]
    with pytest.raises(Refusal, match=r"nobody who is here can train on task 'shapes': domain night .* has no image"):
        target_shares(SHAPES, ("night",), [tiny])


def test_a_domain_that_a_reshuffle_empties_is_left_out_of_rounds_that_reach_that_trial() -> None:
    small = held("bo", "two", "night")
    holding = small.holdings[0].model_copy(update={"trials": {"night": 2}})
    offers = [held("anna", "one", "day"), small.model_copy(update={"holdings": (holding,)})]
    lacking = [target_shares(SHAPES, ("day", "night"), offers, last).left_out for last in range(4)]
    assert [[gap.lack for gap in some] for some in lacking] == [[], [], ["trial"], ["trial"]]
    assert "a reshuffle of the split leaves a side of it without images" in lacking[2][0].sentence


def test_pooled_trials_need_all_their_trials() -> None:
    for pooled, left_out in ((1, 0), (2, 0), (3, 1)):
        settings = RoundSettings(name="round", target="shapes", recipes=("soup",), pool_trials=pooled)
        round = resolve(settings, registry_of(Offered({"ink": 2})))
        assert len(round.left_out) == left_out
        assert ("ink" in round.training_domains) == (not left_out)


def test_a_class_that_nobody_can_learn_is_said() -> None:
    rare: dict[Split, tuple[int, ...]] = {"train": (3, 0, 1), "validation": (1, 1, 1)}
    one = held("anna", "one", "day", lacks={"day": rare})
    found = target_shares(SHAPES, ("day",), [one])
    assert found.untaught is not None
    assert (found.untaught.number, found.untaught.classes) == (1, (SHAPES.classes[1],))
    assert f"no node that is here has an image to train class '{SHAPES.classes[1]}' of task shapes on" in (
        found.untaught.sentence
    )
    # another holding that is used teaches it
    assert target_shares(SHAPES, ("day",), [one, held("bo", "two", "day")]).untaught is None
    # of a reshuffle it is not known: its images may train there
    assert target_shares(SHAPES, ("day",), [one], last_trial=1).untaught is None


def test_a_round_whose_data_lacks_nothing_has_the_record_that_it_had() -> None:
    assert b"left_out" not in resolved().to_json()
    assert b"untaught" not in resolved().to_json()


class Small(Offered):
    """A registry whose foundation was entered for images of 48 pixels."""

    def architecture(self, digest: str) -> object:
        return SimpleNamespace(input_size=48)


def test_images_are_not_larger_than_the_foundation_is_for_unless_the_file_says_so() -> None:
    said = {}
    for changes in ({}, {"image_size": 96}):
        settings = RoundSettings.model_validate({"name": "round", "target": "shapes", "protocol": changes})
        round = resolve(settings, registry_of(Small()))
        said[round.protocol.image_size] = image_size_sentence(settings, round)
    assert said == {
        48: "images of 48 × 48 pixels, as the foundation was entered for, not 224 as the protocol says "
        "(`image_size` in [protocol])",
        96: "images of 96 × 96 pixels, as the round's file says (`image_size` in [protocol])",
    }
    assert resolved(protocol={"name": "emoji"}).protocol.image_size == 64, (
        "the protocol's, where the foundation sees more"
    )
