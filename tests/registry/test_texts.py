"""Texts from outside, the same over every implementation and database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Parent
from registry.records import LogQuery, RoundRecord
from registry.services.registry import Registry
from registry.texts import legible, storable
from tests.registry.world import NETWORK, World

BAD = {"NUL": "a\x00b", "half a character": "a\ud800b"}
NOW = {"spec": "{}", "state": "requested", "created": 1.0, "changed": 1.0}

ASKED: dict[str, Callable[[Registry, str], object]] = {
    "architecture": lambda registry, bad: registry.definitions.architecture(bad),
    "task": lambda registry, bad: registry.definitions.task(bad),
    "fetch": lambda registry, bad: registry.weights.fetch(bad),
    "results": lambda registry, bad: registry.work.results([bad]),
    "round": lambda registry, bad: registry.rounds.round(bad),
    "move_round": lambda registry, bad: registry.rounds.move_round(bad, ["requested"], "running"),
    "note": lambda registry, bad: registry.rounds.note(bad, "kind", "subject", "text"),
    "events": lambda registry, bad: registry.rounds.events(round=bad),
    "resolve": lambda registry, bad: registry.versions.resolve(bad),
    "alias_history": lambda registry, bad: registry.releases.alias_history(bad),
    "log": lambda registry, bad: registry.versions.log(LogQuery.model_construct(round=bad)),
    "show": lambda registry, bad: registry.versions.show(bad),
    "lineage": lambda registry, bad: registry.versions.lineage(bad),
    "verify": lambda registry, bad: registry.versions.verify(bad),
    "request_round": lambda registry, bad: registry.rounds.request_round(
        RoundRecord.model_validate({"id": "one", "name": "one", **NOW, "reason": bad})
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("method", ASKED)
def test_a_text_that_cannot_be_stored_is_refused_in_a_sentence(world: World, method: str, bad: str) -> None:
    with pytest.raises(Refusal) as caught:
        ASKED[method](world.registry, bad)
    assert str(caught.value).encode()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_people_wrote_is_refused_before_anything_is_done(world: World, bad: str) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, note=bad)
    world.lease(receipt)
    with pytest.raises(Refusal, match=r"note holds a NUL character|is not UTF-8"):
        world.registry.weights.push(world.seal(receipt), files)
    question = Combination(parents=(Parent(version=str(start.version)),))
    with pytest.raises(Refusal, match=r"NUL character|half a character|cannot be called like this"):
        world.registry.work.combine(question, message=bad)
    with pytest.raises(Refusal, match=r"NUL character|half a character"):
        world.maintainer.release(str(start.version), "stable", bad)
    assert len(world.registry.versions.log()) == 2
    assert world.registry.releases.aliases() == {}


def test_the_log_takes_any_text_and_shows_what_can_be_shown(world: World) -> None:
    world.registry.rounds.request_round(RoundRecord.model_validate({"id": "one", "name": "one", **NOW}))
    world.registry.rounds.note("one", "ki\x00nd", "sub\x00ject", "te\x00xt")
    world.registry.rounds.move_round("one", ["requested"], "failed", "be\x00cause")
    note = next(event for event in world.registry.rounds.events(round="one") if event.kind != "round")
    assert (note.kind, note.subject, note.text) == ("ki�nd", "sub�ject", "te�xt")
    assert world.registry.rounds.round("one").reason == "be�cause"


def test_names_that_no_column_holds_are_refused(world: World) -> None:
    with pytest.raises(Refusal, match="a round's id has 81 characters; 80 are the most"):
        world.registry.rounds.note("x" * 81, "kind", "subject", "text")
    start = world.probed()
    with pytest.raises(Refusal, match="a round's id has 81 characters"):
        world.registry.work.combine(Combination(parents=(Parent(version=str(start.version)),)), round="x" * 81)
    with pytest.raises(Refusal, match="an architecture's name has 201 characters"):
        world.registry.definitions.define_architecture(NETWORK.model_copy(update={"name": "x" * 201}))


def test_numbers_that_no_column_holds_are_refused(world: World) -> None:
    with pytest.raises(Refusal, match="more than 64 bits"):
        world.registry.rounds.events(after=2**64)
    assert world.registry.rounds.events(limit=2**64) != []


def test_storable_and_legible_agree() -> None:
    for text in ("", "plain", "Ω 🐀", *BAD.values()):
        assert storable(legible(text)) == legible(text)
    assert legible("Ω 🐀\n") == "Ω 🐀\n"
