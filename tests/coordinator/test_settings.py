"""From a round.toml to a round: the same wish is the same round, however it is written."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from coordinator.settings import RoundSettings, resolve, training_shares
from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Offer
from ratatouille.recipes.round import Round
from ratatouille.record import sha256
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.split import Split
from ratatouille.tasks.synthetic import synthetic_tasks
from ratatouille.tasks.task import Task
from registry.port import Registry

DOMAINS = ("clay", "ink", "wool", "glass")
TASKS = {
    name: Task(name=name, kind="target" if name == "shapes" else "auxiliary", classes=("a", "b"), domains=DOMAINS)
    for name in ("shapes", "faces", "flags")
}


class Offered:
    """A registry where one node offers data of every task."""

    def task(self, name: str) -> Task:
        return TASKS[name]

    def show(self, revision: str) -> object:
        version = SimpleNamespace(architecture=sha256(b"a"), id=sha256(b"v"), featurizer=sha256(b"f"))
        state = "retracted" if revision == "withdrawn" else "admitted"
        return SimpleNamespace(entry=SimpleNamespace(id=version.id, version=version, state=state))

    def offers(self) -> list[Offer]:
        holdings = tuple(
            Holding(
                task=task.digest,
                task_name=task.name,
                counts={domain: {"train": (1, 1)} for domain in DOMAINS},
                fingerprint=sha256(task.name.encode()),
            )
            for task in TASKS.values()
        )
        return [Offer(node=sha256(b"anna"), name="anna", holdings=holdings, issued=0.0)]


def resolved(**wishes: Any) -> Round:
    settings = RoundSettings.model_validate({"name": "round", "target": "shapes", **wishes})
    return resolve(settings, cast(Registry, Offered()))


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


def held(node: str, data: str, *domains: str) -> Offer:
    counts: dict[str, dict[Split, tuple[int, ...]]] = {domain: {"train": (1, 1, 1)} for domain in domains}
    task = synthetic_tasks()["shapes"]
    holding = Holding(task=task.digest, task_name=task.name, counts=counts, fingerprint=sha256(data.encode()))
    return Offer(node=sha256(node.encode()), name=node, holdings=(holding,), issued=0.0)


def test_replicas_are_one_holding_and_different_complete_holdings_are_several() -> None:
    task, domains = synthetic_tasks()["shapes"], ("day", "night")
    replicas = [held("anna", "one", *domains), held("bo", "one", *domains)]
    assert len(training_shares(task, domains, replicas)) == 1
    both = training_shares(task, domains, [*replicas, held("carl", "two", *domains)])
    assert {share.fingerprint for share in both} == {sha256(b"one"), sha256(b"two")}
    # Who has a part only is not needed where others have all.
    assert training_shares(task, domains, [*replicas, held("dora", "three", "day")]) == training_shares(
        task, domains, replicas
    )


def test_domains_that_are_spread_are_trained_on_where_they_are() -> None:
    task, domains = synthetic_tasks()["shapes"], ("day", "night")
    spread = training_shares(task, domains, [held("anna", "one", "day"), held("bo", "two", "night")])
    assert sorted(share.domains for share in spread) == [("day",), ("night",)]
    with pytest.raises(Refusal, match="no node that is here trains on night"):
        training_shares(task, domains, [held("anna", "one", "day")])
