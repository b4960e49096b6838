"""Reviews of versions, and inspections of their weights, over the folder and over the service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.change import MOST_EVIDENCE, Review
from ratatouille.exchange.inspection import Inspection
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.lists import every
from registry.records import Result, ReviewRecord
from tests.registry.world import World, featurizer, head


def ids(*results: Result) -> tuple[str, ...]:
    return tuple(sorted(str(one.version) for one in results))


def review(version: str, state: str = "quarantined", by: str = "gate", **more: Any) -> Review:
    values = {"reason": "it is far from the others", "evidence": {"norm": 3.5, "peers": 4}, "at": time.time()}
    return Review.model_validate({"version": version, "state": state, "by": by, **values, **more})


def enter(world: World, version: str, state: str = "quarantined", by: str = "gate", **more: Any) -> ReviewRecord:
    return world.registry.review.enter(world.signer.seal(review(version, state, by, **more)))


def inspection(start: Result, versions: Sequence[str], foundation: str) -> Inspection:
    return Inspection(versions=tuple(versions), starts=(str(start.version),), origin=foundation)


def foundation_of(world: World, probed: Result) -> str:
    return world.registry.versions.show(str(probed.version)).entry.version.parents[0].version


# -- inspections


def test_an_inspection_says_how_far_each_contribution_moved(world: World) -> None:
    start = world.probed()
    first, second = world.tuned(start, 1), world.tuned(start, 2)
    question = inspection(start, ids(first, second), foundation_of(world, start))
    assert world.registry.review.inspected(question.work_id) is None
    found = world.registry.review.inspect(question)
    assert world.registry.review.inspected(question.work_id) == found
    moved = featurizer(1)["conv.weight"].astype(float) - featurizer(0)["conv.weight"]
    assert found.featurizer.elements == moved.size
    assert found.featurizer.ids == question.ids
    one, beginning = str(first.version), str(start.version)
    assert found.featurizer.distance(one, beginning) == pytest.approx(float(np.linalg.norm(moved)))
    assert found.head is not None
    apart = [head(1)[name].astype(float) - head(2)[name] for name in ("weight", "bias")]
    length = float(np.sqrt(sum((each**2).sum() for each in apart)))
    assert found.head.distance(one, str(second.version)) == pytest.approx(length)
    assert world.registry.review.inspect(question) == found


def test_heads_of_starts_for_other_tasks_are_left_out(world: World) -> None:
    start = world.probed()
    contribution = world.tuned(start, 1)
    foundation = foundation_of(world, start)
    found = world.registry.review.inspect(
        Inspection(versions=ids(contribution), starts=(foundation,), origin=foundation)
    )
    assert found.featurizer.ids == (str(contribution.version), foundation)
    assert found.head is not None
    assert found.head.ids == (str(contribution.version),)
    alone = Inspection(versions=(foundation,), starts=(), origin=foundation)
    assert world.registry.review.inspect(alone).head is None


def test_a_version_that_was_taken_back_is_not_inspected_even_if_the_answer_is_known(world: World) -> None:
    start = world.probed()
    contribution = world.tuned(start, 1)
    question = inspection(start, ids(contribution), foundation_of(world, start))
    world.registry.review.inspect(question)
    world.maintainer.retract(str(contribution.version), "wrong data")
    with pytest.raises(Refusal, match="is no version of this registry"):
        world.registry.review.inspect(question)
    unknown = question.model_copy(update={"versions": ("0" * 64,)})
    with pytest.raises(Refusal, match="is no version of this registry"):
        world.registry.review.inspect(unknown)
    with pytest.raises(Refusal, match="inspection revision 7 is asked for"):
        world.registry.review.inspect(question.model_copy(update={"revision": 7}))


# -- reviews


def test_a_verdict_stands_until_a_maintainer_decides(world: World) -> None:
    version = str(world.tuned(world.probed(), 1).version)
    with pytest.raises(Refusal, match="was not reviewed"):
        world.registry.review.find_review(version)
    assert world.registry.review.standing([version]) == []
    first = enter(world, version)
    assert (first.state, first.by, first.evidence) == ("quarantined", "gate", {"norm": 3.5, "peers": 4})
    decided = enter(world, version, "admitted", "maintainer", reason="its data are rare", author="anna")
    again = enter(world, version, "rejected", round="r2")
    assert (again.state, again.author, again.number) == ("admitted", "anna", decided.number)
    assert [one.state for one in again.history] == ["rejected", "admitted", "quarantined"]
    later = enter(world, version, "rejected", "maintainer", reason="they were copied")
    assert (later.state, later.reason) == ("rejected", "they were copied")
    shown = world.registry.review.find_review(version[:12])
    assert shown == later
    assert (shown.task_name, shown.maker) == ("pets", world.signer.node)


def test_the_same_verdict_again_changes_nothing(world: World) -> None:
    version = str(world.tuned(world.probed(), 1).version)
    sealed = world.signer.seal(review(version))
    first = world.registry.review.enter(sealed)
    before = world.registry.rounds.events()
    assert world.registry.review.enter(sealed) == first
    assert enter(world, version) == first
    assert world.registry.rounds.events() == before
    assert before[-1].text == "quarantined by the gate: it is far from the others"


def test_standing_reviews_and_their_list_come_in_pages(world: World) -> None:
    start = world.probed()
    versions = [str(world.tuned(start, seed).version) for seed in range(3)]
    for version in versions[:2]:
        enter(world, version)
    enter(world, versions[2], "rejected")
    service = world.registry.review
    asked = [*versions, "f" * 64]
    found = list(every(lambda last: service.standing(asked, last.version if last else "", 2)))
    assert [one.version for one in found] == sorted(versions)
    listed = list(every(lambda last: service.reviews(before=last.number if last else None, limit=1)))
    assert [one.version for one in listed] == versions[::-1]
    assert [one.version for one in service.reviews("rejected", "pets")] == versions[2:]
    assert service.reviews(task="birds") == []


@pytest.mark.parametrize("name", ["rejected", "quarantined"])
def test_a_version_that_is_not_taken_is_neither_released_nor_tagged(world: World, name: str) -> None:
    start = world.probed()
    good, bad = world.tuned(start, 1), world.tuned(start, 2)
    parents = tuple(Parent(version=str(one.version)) for one in (good, bad))
    average = world.registry.work.combine(Combination(parents=parents))
    above = world.registry.work.combine(Combination(parents=(Parent(version=str(average.version)), parents[0])))
    enter(world, str(bad.version), name)
    short = str(bad.version)[:12]
    for version in (bad, average, above):
        with pytest.raises(Refusal, match=rf"{name}; accept it first: `ratatouille review accept {short}"):
            world.maintainer.release(str(version.version))
        with pytest.raises(Refusal, match=f"{short}.*{name}"):
            world.maintainer.tag(str(version.version), "v1")
    world.maintainer.release(str(good.version))
    enter(world, str(bad.version), "admitted", "maintainer", reason="it was checked by hand")
    world.maintainer.release(str(above.version))
    child = world.tuned(above, 7)
    enter(world, str(bad.version), "rejected", "maintainer", reason="it was not")
    world.maintainer.release(str(child.version), "child")  # a training is its own work, whatever it started from


def test_a_review_without_a_reason_or_of_no_standing_version_is_refused(world: World) -> None:
    version = str(world.tuned(world.probed(), 1).version)
    with pytest.raises(Refusal, match=f"say why version {version[:12]}… is rejected"):
        enter(world, version, "rejected", "maintainer", reason=" ")
    with pytest.raises(Refusal, match="there is no version 000000000000"):
        enter(world, "0" * 64)
    other = Signer.of_seed(b"x" * 32)
    sealed = world.signer.seal(review(version))
    with pytest.raises(Refusal, match="the signature of this review is not by key"):
        world.registry.review.enter(sealed.model_copy(update={"node": other.node}))
    world.maintainer.retract(version, "wrong data")
    with pytest.raises(Refusal, match="is retracted, so it enters no average"):
        enter(world, version)


def test_evidence_is_a_few_finite_numbers_and_names() -> None:
    version = "1" * 64
    with pytest.raises(ValueError, match=f"{MOST_EVIDENCE} are the most"):
        review(version, evidence={f"n{number}": 0.123456789 for number in range(400)})
    with pytest.raises(ValueError, match="finite number"):
        review(version, evidence={"norm": float("nan")})
    found = review(version, evidence={"whole": 1, "half": 0.5, "data": "photo"})
    assert Review.from_json(found.to_json()) == found
